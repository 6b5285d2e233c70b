"""Learns which places of an event take values: `GET /blog/may.html 200` becomes `GET /blog/<*>.html 200`.

The parts of an event stand in a prefix tree. A node is a place, its children are what occurred there. A place takes
values if many of its children are rare: they are merged into one child `<*>`, which also matches what never occurred;
frequent children keep their names.

- The tree branches first by what an attack would change: the first part (the method), the last ones (the ending of a
  file, the status, marks of what is unusual), the number of parts. Many different paths that were not found open the
  place for paths that are not found, and for no others.
- Parts of paths, which begin with `/` or `\\`, are values on less evidence than words such as verbs and resources;
  identifiers (with digits, or of three words) on less than plain words. What opens a place for identifiers leaves it
  closed for plain words, and what begins with two marks, such as `/.env`, is a place of its own.
- Decisions are made when a place or the tree is full, else in `settle`, from counts: the order of events does not
  matter until then.
- Memory is bounded: at most `max_events` are learned, further ones get `OTHER`; full caches are emptied.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trine.errors import DataError
from trine.logs.place_tree import (
    MAX_CHILDREN,
    OTHER,
    PATH_MARKS,
    VALUE,
    Label,
    Parts,
    Place,
    path_of,
    shape_of,
    takes,
    text_of,
)

_NODES_PER_EVENT = 4
"""Nodes of the tree per event that can be learned."""

_IDS_PER_EVENT = 10
"""Ids that are given, to events that are merged later too, per event that can be learned."""

_MAX_CACHED = 1 << 15
"""Entries of a cache, after which it is emptied."""

_MAX_CACHED_EVENT = 12, 256
"""Parts and characters of the longest event in a cache."""

_FORMAT = 1
"""Version of the JSON of `to_json`."""

_FREQUENT = 5
"""A child keeps its name if it occurred more than this times the mean of the children."""

_FREQUENT_SHARE = 0.005
"""The same once a place takes values, whose number is not known: share of the visits of the place."""


@dataclass(frozen=True)
class ValueEvidence:
    """Number of rare children from which a place takes values."""

    few: int
    """If half of the visits of rare children are of children that occurred once: by Good and Turing, the next visit of
    a rare child is then of a new one with probability 1/2."""
    many: float
    """However often each occurred."""

    def suffices(self, visits: Iterable[int]) -> bool:
        """Whether children with these numbers of visits are values."""
        visits = list(visits)
        once = sum(count <= 1 for count in visits)
        return len(visits) >= self.many or (len(visits) >= self.few and 2 * once >= sum(visits))


_PATH_EVIDENCE = {False: ValueEvidence(12, 40), True: ValueEvidence(5, 10)}
"""For parts of paths: plain, and odd."""

_WORD_EVIDENCE = {False: ValueEvidence(100, math.inf), True: ValueEvidence(50, math.inf)}
"""For all other parts: verbs, resources, outcomes are few, even where each is rare."""


class Places:
    """Learns events given as parts and gives each the id of its generalised event.

    places = Places()
    ids = [places.add(parts) for parts in events]
    places.settle()
    names = [places.name(id) for id in ids]
    """

    def __init__(self, max_events: int = 20_000) -> None:
        self.max_events = max_events
        self._root = Place()
        self._other = Place()
        self._merged: dict[int, int] = {}
        self._next = OTHER + 1
        self._events = 0
        self._nodes = 0
        self._full = False
        self._learned: dict[Parts, Place] = {}
        """Cache of `add`: parts to the node of the event."""
        self._matched: dict[Parts, int] = {}
        """Cache of `match`."""
        self._names: dict[int, str] | None = None

    def __len__(self) -> int:
        return self._events

    @property
    def full(self) -> bool:
        """Whether no more events are learned: new ones get `OTHER`."""
        return self._full

    def add(self, parts: Parts) -> int:
        """The event of the parts; a new one is learned unless `max_events` are."""
        node = self._learned.get(parts)
        if node is None:
            node = self._learn(parts)
        node.count += 1
        return node.id

    def match(self, parts: Parts) -> int:
        """The learned event of the parts, else `OTHER`. Learns nothing."""
        id_ = self._matched.get(parts)
        if id_ is None:
            key = path_of(parts)
            node = self._follow(key) or self._find(key)
            id_ = OTHER if node is None else node.id
            _cache(self._matched, parts, id_)
        return id_

    def settle(self) -> None:
        """Decide, after the last event of the training, which places take values."""
        self._root.count_visits()
        for node in self._root.all_nodes():
            self._decide(node)
        for id_, kept in sorted(self._merged.items()):
            self._merged[id_] = self._merged.get(kept, kept)
        self._forget()

    def resolve(self, id: int) -> int:  # noqa: A002  (the field's own word)
        """The present id of an event that may have been merged since."""
        while id in self._merged:
            id = self._merged[id]  # noqa: A001
        return id

    def name(self, id: int) -> str:  # noqa: A002
        """The parts of an event, joined, with `<*>` for values; `<*>` for `OTHER`."""
        if self._names is None:
            self._names = {id_: text_of(labels) for labels, id_ in self._root.events()}
        return self._names.get(self.resolve(id), VALUE)

    def generalised(self, parts: Parts) -> str:
        """The name of the event of the parts. If there is none: the parts, joined, with `<*>` for known values."""
        known = self.match(parts)
        if known != OTHER:
            return self.name(known)
        labels: list[Label] = []
        node: Place | None = self._root
        for label in path_of(parts):
            child = None if node is None else node.children.get(label)
            value = None if node is None or child is not None else node.value_child(label)
            labels.append(label if value is None or isinstance(label, int) else shape_of(label)[0])
            node = value or child
        return text_of(labels)

    def _learn(self, parts: Parts) -> Place:
        """The node of an event, learned if it is new."""
        key = path_of(parts)
        node = self._follow(key)
        if node is None and not self._full:
            self._make_room()
        if node is None and not self._full:
            node = self._insert(key)
        if node is None:
            node = self._find(key) or self._other
        _cache(self._learned, parts, node)
        return node

    def _follow(self, key: Iterable[Label]) -> Place | None:
        """The node of a learned event; no value is tried where an equal part is known."""
        node = self._root
        for label in key:
            child = node.children.get(label) or node.value_child(label)
            if child is None:
                return None
            node = child
        return node if node.id else None

    def _insert(self, key: Iterable[Label]) -> Place:
        """A new event. A place that is full by it is decided on at once."""
        self._matched.clear()
        self._names = None
        node = self._root
        for label in key:
            child = node.children.get(label) or node.value_child(label)
            if child is None:
                child = node.children[label] = Place()
                self._nodes += 1
            if len(node.children) > node.limit:
                self._decide_full(node)
                child = node.children.get(label) or node.value_child(label) or child
            node = child
        if not node.id:
            node.id, self._next = self._next, self._next + 1
            self._events += 1
        return node

    def _find(self, key: tuple[Label, ...]) -> Place | None:
        """The node of a learned event; from the left, an equal part is preferred to a value."""
        paths = [(self._root, 0)]
        while paths:
            node, position = paths.pop()
            if position == len(key):
                if node.id:
                    return node
                continue
            value, child = node.value_child(key[position]), node.children.get(key[position])
            paths.extend((next_, position + 1) for next_ in (value, child) if next_ is not None)
        return None

    def _make_room(self) -> None:
        """If the tree is full, merge what is evident; if that frees less than a quarter, learn no more."""
        max_nodes = self.max_events * _NODES_PER_EVENT
        if self._events >= self.max_events or self._nodes >= max_nodes:
            self.settle()
            self._full = 4 * self._events >= 3 * self.max_events or 4 * self._nodes >= 3 * max_nodes
        self._full = self._full or self._next > self.max_events * _IDS_PER_EVENT

    def _decide_full(self, node: Place) -> None:
        """Decide on a place with too many children; without evidence, its most numerous kind is made values."""
        node.count_visits()
        self._decide(node)
        kinds = node.kinds()
        if kinds and len(node.children) > node.limit:
            (shape, odd), children = max(kinds.items(), key=lambda kind: len(kind[1]))
            self._open(node, shape, odd, list(children))
        node.limit = max(MAX_CHILDREN, 2 * len(node.children))
        self._forget()

    def _decide(self, node: Place) -> None:
        """Make the rare children of a place values, if the evidence suffices."""
        kinds, before = node.kinds(), dict(node.open)
        counts = [child.visits for children in kinds.values() for child in children.values()]
        frequent = max(2.0, _FREQUENT * sum(counts) / max(len(counts), 1))
        for (shape, odd), children in sorted(kinds.items()):  # plain before odd
            known = takes(before, shape, odd)
            limit = max(2.0, _FREQUENT_SHARE * node.visits) if known else frequent
            rare = {label: child.visits for label, child in children.items() if child.visits <= limit}
            evidence = (_PATH_EVIDENCE if shape[0] in PATH_MARKS else _WORD_EVIDENCE)[odd]
            if rare and (takes(node.open, shape, odd) or evidence.suffices(rare.values())):
                self._open(node, shape, odd, list(rare))

    def _open(self, node: Place, shape: str, odd: bool, labels: list[str]) -> None:
        """Make these children of a place values."""
        node.open = {**node.open, shape: node.open.get(shape, False) or not odd}
        if shape not in node.values:
            node.values = {**node.values, shape: Place()}
            self._nodes += 1
        if shape in node.children:
            labels = [*labels, shape]
        for label in dict.fromkeys(labels):
            self._absorb(node.values[shape], node.children.pop(label))

    def _absorb(self, node: Place, other: Place) -> None:
        """Merge another node, and all below it, into a node."""
        if node.id and other.id:
            node.id, old = sorted((node.id, other.id))
            self._merged[old] = node.id
            self._events -= 1
        node.id = node.id or other.id
        node.count += other.count
        node.visits += other.visits
        node.open = {shape: node.open.get(shape) or other.open.get(shape) or False for shape in node.open | other.open}
        node.children = self._united(node.children, other.children)
        node.values = self._united(node.values, other.values)
        self._nodes -= 1

    def _united(self, nodes: dict[Any, Place], others: dict[Any, Place]) -> dict[Any, Place]:
        if not nodes:
            return others
        for label, other in others.items():
            if label in nodes:
                self._absorb(nodes[label], other)
            else:
                nodes[label] = other
        return nodes

    def _forget(self) -> None:
        """Empty the caches, after a merge."""
        self._learned.clear()
        self._matched.clear()
        self._names = None

    def to_json(self) -> str:
        """Everything learned, as JSON: the places of `from_json` continue with the same results."""
        state = {
            "format": _FORMAT,
            "max_events": self.max_events,
            "next": self._next,
            "full": self._full,
            "merged": list(self._merged.items()),
            "tree": self._root.state(),
        }
        return json.dumps(state)

    @classmethod
    def from_json(cls, text: str) -> "Places":
        """The places that `to_json` wrote. Raises `DataError` if the text is not the state of places."""
        try:
            state = json.loads(text)
            if state["format"] != _FORMAT:
                raise DataError(f"places: format {state['format']!r} is not {_FORMAT}; install a newer trine")
            places = cls(int(state["max_events"]))
            places._root = Place.of_state(state["tree"])
            places._merged = {int(old): int(new) for old, new in state["merged"]}
            places._next, places._full = int(state["next"]), bool(state["full"])
            nodes = list(places._root.all_nodes())
            places._nodes, places._events = len(nodes) - 1, sum(bool(node.id) for node in nodes)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"places: not the state of places ({error!r:.100}); fit again") from None
        return places


def _cache(cache: dict[Parts, Any], parts: Parts, value: Any) -> None:
    if len(parts) <= _MAX_CACHED_EVENT[0] and sum(map(len, parts)) <= _MAX_CACHED_EVENT[1]:
        if len(cache) >= _MAX_CACHED:
            cache.clear()
        cache[parts] = value
