"""The prefix tree in which `places.py` keeps events that are given as parts: `("GET ", "/blog", "/may", " 200")`."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

Parts = tuple[str, ...]
Label = str | int
"""A part of an event, or the numbers of its parts up to its ending and of its outcome, as one number."""

OTHER = 0
"""The id of events that are not learned."""

VALUE = "<*>"

PATH_MARKS = ("/", "\\")
"""What the parts of paths begin with."""

_MAX_PART = 200
"""Characters of a part that are read."""

_MAX_PARTS = 64
"""Parts of an event that are read: of more, the first and the last ones."""

MAX_CHILDREN = 1_000
"""Children of a place before a decision is made on it."""

_ODD = re.compile(r"[\d%]|[-_.+~@][^-_.+~@]*+[-_.+~@]")
"""What identifiers have: a digit, an escape, two marks within."""

_LONG = 24
"""Characters of a part that make it an identifier."""


class Place:
    """A place, and the event that ends at it."""

    __slots__ = ("children", "count", "id", "limit", "open", "values", "visits")

    def __init__(self) -> None:
        self.children: dict[Label, Place] = {}
        self.values: dict[str, Place] = _NO_VALUES
        """The merged children, by their shape: `/<*>`."""
        self.open: dict[str, bool] = _NONE_OPEN
        """The shapes of which odd parts are values, and whether plain parts are too."""
        self.id = OTHER
        """The event that ends here."""
        self.count = 0
        """Occurrences of this event."""
        self.visits = 0
        """Occurrences of this and all events below, as `count_visits` found them."""
        self.limit = MAX_CHILDREN

    def nodes(self) -> Iterable["Place"]:
        """All children and values."""
        return chain(self.children.values(), self.values.values())

    def all_nodes(self) -> Iterator["Place"]:
        """This node and all below; a node is yielded before its children are looked at."""
        nodes = [self]
        while nodes:
            node = nodes.pop()
            yield node
            nodes.extend(node.nodes())

    def events(self) -> Iterator[tuple[tuple[Label, ...], int]]:
        """The path and the id of every event."""
        paths: list[tuple[tuple[Label, ...], Place]] = [((), self)]
        while paths:
            labels, node = paths.pop()
            if node.id:
                yield labels, node.id
            for label, child in chain(node.children.items(), node.values.items()):
                paths.append(((*labels, label), child))

    def value_child(self, label: Label) -> "Place | None":
        """The node of values that a part belongs to, if this place takes such values."""
        if not self.open or isinstance(label, int):
            return None
        shape, odd = shape_of(label)
        return self.values[shape] if takes(self.open, shape, odd) else None

    def kinds(self) -> dict[tuple[str, bool], dict[str, "Place"]]:
        """The children that can be values, by shape and by whether they are odd."""
        kinds: defaultdict[tuple[str, bool], dict[str, Place]] = defaultdict(dict)
        for label, child in self.children.items():
            if isinstance(label, str):
                shape, odd = shape_of(label)
                if shape and label != shape:
                    kinds[shape, odd][label] = child
        return kinds

    def count_visits(self) -> int:
        """Set `visits` of this node and all below."""
        self.visits = self.count + sum(node.count_visits() for node in self.nodes())
        return self.visits

    def state(self) -> list[Any]:
        """The node as JSON can hold it."""
        children, values = (
            [[label, node.state()] for label, node in of.items()] for of in (self.children, self.values)
        )
        return [self.id, self.count, self.limit, children, values, self.open]

    @classmethod
    def of_state(cls, state: list[Any]) -> "Place":
        """The node that `state` wrote."""
        node = cls()
        node.id, node.count, node.limit = map(int, state[:3])
        node.children = {label: cls.of_state(child) for label, child in state[3]}
        node.values = {str(label): cls.of_state(child) for label, child in state[4]}
        node.open = {str(shape): bool(plain) for shape, plain in state[5].items()}
        return node


_NO_VALUES: dict[str, Place] = {}
_NONE_OPEN: dict[str, bool] = {}
"""Those of a place that takes no values: never written to."""


def path_of(parts: Parts) -> tuple[Label, ...]:
    """The path of an event: the first part, the outcome, the ending, the numbers of parts, the parts between.

    The outcome are the last parts that begin with a blank; the ending are those before it up to the last `/` or `\\`.
    """
    if len(parts) > _MAX_PARTS:
        parts = (*parts[: _MAX_PARTS - 9], "…", *parts[-8:])
    if sum(map(len, parts)) > _MAX_PART:
        parts = tuple(part if len(part) <= _MAX_PART else part[: _MAX_PART - 1] + "…" for part in parts)
    outcome = len(parts)
    while outcome > 1 and parts[outcome - 1][:1] == " ":
        outcome -= 1
    ending = outcome
    while ending > 1 and parts[ending - 1][:1] not in PATH_MARKS:
        ending -= 1
    counts = ending * _MAX_PARTS + len(parts) - outcome
    return (*parts[:1], *parts[outcome:], *parts[ending:outcome], counts, *parts[1:ending])


def text_of(labels: Iterable[Label]) -> str:
    """The text of the event with this path."""
    labels = list(labels)
    head = next(position for position, label in enumerate(labels) if isinstance(label, int))
    outcome = 1 + int(labels[head]) % _MAX_PARTS
    parts = labels[:1][:head] + labels[head + 1 :] + labels[outcome:head] + labels[1:outcome]
    return "".join(map(str, parts))


@lru_cache(1 << 14)
def shape_of(part: str) -> tuple[str, bool]:
    """A part with `<*>` for all but its outer marks, and whether it is odd; no shape if it has marks only."""
    text = part.replace(VALUE, "v") if VALUE in part else part
    begin, end = 0, len(text)
    while begin < 2 and begin < end and not text[begin].isalnum():
        begin += 1
    if end > begin and not text[-1].isalnum():
        end -= 1
    core = text[begin:end]
    if not core:
        return "", False
    odd = text is not part or len(core) >= _LONG or _ODD.search(core) is not None
    return f"{text[:begin]}{VALUE}{text[end:]}", odd


def takes(opened: dict[str, bool], shape: str, odd: bool) -> bool:
    """Whether parts of a shape are values where these shapes are open."""
    return shape in opened and (odd or opened[shape])
