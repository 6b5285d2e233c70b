"""Templates of log lines, mined as they come: `Failed password for <*> from <*> port <*> ssh2`.

Evidence instead of similarity: two masked lines that differ in one word are two templates ("Link Up", "Link Down"),
until so many different words came at that place, all else equal, that it must hold a value (as user names do).

- Templates lie in a prefix tree with a branch for values, after Drain (He et al., ICWS 2017), but as deep as the line.
- Lines are mined in order and every tie is broken, so the result is deterministic.
- Memory is bounded: `max_templates` are learned, further unknown lines share `OTHER`; caches are dropped when full.
- A template that is merged lives on under the lowest id of its parts: `resolve`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from trine.errors import DataError
from trine.sequences.masking import VALUE, Tokens, has_words, is_word, mask, text_of, tokens_of

OTHER = 0
"""The id of all lines that came when there was no room for another template."""

_PLAIN = re.compile(r"[A-Za-z][a-z]+:?")
_TELLING = re.compile(r"(?:[A-Za-z]+(?:ed|ing)|[A-Z]+):?")
_ONE_DIGIT = bytes.maketrans(b"123456789\0", b"000000000 ")
_MAX_LINE = 4096
_MAX_CACHED = 1 << 15
_MAX_CACHED_LINE = 1024
_END = ""
_FORMAT = 1


@dataclass(frozen=True)
class Evidence:
    """How many different words at one place make it a value, all else being equal."""

    plain: int = 4
    """Plain words."""
    odd: int = 3
    """Mostly words with dots, underscores or inner capitals: names of things."""
    telling: int = 8
    """Among them one that says what happened (a participle, capitals); or they begin the line."""
    known: int = 2
    """Words that were values elsewhere."""

    def needed(self, place: int, words: set[str], known: set[str]) -> int:
        """The number that `words` at `place` must reach."""
        if words <= known:
            return self.known
        if place == 0 or any(_TELLING.fullmatch(word) for word in words):
            return self.telling
        return self.plain if 2 * sum(bool(_PLAIN.fullmatch(word)) for word in words) >= len(words) else self.odd


@dataclass(frozen=True)
class Template:
    """What the lines of one statement share; `text` has `<*>` for each value."""

    id: int
    text: str


class TemplateMiner:
    """Learns templates from lines, and gives every line the id of its own.

    miner = TemplateMiner()
    ids = [miner.add(line) for line in lines]
    final = [miner.resolve(id) for id in ids]
    """

    def __init__(self, max_templates: int = 10_000, evidence: Evidence | None = None) -> None:
        self.max_templates = max_templates
        self.evidence = evidence or Evidence()
        self._templates = _Tree()
        self._merged: dict[int, int] = {}
        self._next = OTHER + 1
        self._known: set[str] = set()
        self._masked: dict[bytes, str] = {}
        self._ids: dict[str, int] = {}
        self._remembered: defaultdict[int, list[str]] = defaultdict(list)  # what `_ids` holds, by number of tokens

    def __len__(self) -> int:
        return len(self._templates.tokens)

    def add(self, line: str) -> int:
        """The template of `line` (its first 4,096 characters), learned if it is new; `OTHER` if there is no room."""
        masked = self._mask(line)
        found = self._ids.get(masked)
        return self._remember(masked, learn=True) if found is None else found

    def match(self, line: str) -> int:
        """The template of `line` among those learned, else `OTHER`. Learns nothing."""
        masked = self._mask(line)
        found = self._ids.get(masked)
        return self._remember(masked, learn=False) if found is None else found

    def resolve(self, template: int) -> int:
        """The id that `template` has by now."""
        while template in self._merged:
            template = self._merged[template]
        return template

    def templates(self) -> list[Template]:
        """All templates by id."""
        return [Template(id_, text_of(tokens)) for id_, tokens in sorted(self._templates.tokens.items())]

    def _mask(self, line: str) -> str:
        """The line masked, remembered for all lines that differ from it in numbers only."""
        key = line[:_MAX_LINE].encode(errors="backslashreplace").translate(_ONE_DIGIT)
        key = key.replace(b"00", b"0").replace(b"00", b"0")
        masked = self._masked.get(key)
        if masked is None:
            masked = mask(key.decode(errors="replace"))
            if len(self._masked) >= _MAX_CACHED:
                self._masked.clear()
            if len(key) <= _MAX_CACHED_LINE:
                self._masked[key] = masked
        return masked

    def _remember(self, masked: str, learn: bool) -> int:
        tokens = tokens_of(masked)
        found = self._templates.find(tokens)
        if found is None:
            found = self._learn(tokens) if learn and len(self) < self.max_templates else OTHER
        if found != OTHER and len(masked) <= _MAX_CACHED_LINE:
            if len(self._ids) >= _MAX_CACHED:
                self._ids.clear()
                self._remembered.clear()
            self._ids[masked] = found
            self._remembered[len(tokens)].append(masked)
        return found

    def _learn(self, tokens: Tokens) -> int:
        learned, self._next = self._next, self._next + 1
        self._insert(learned, tokens)
        self._settle([learned])
        return self.resolve(learned)

    def _insert(self, id_: int, tokens: Tokens) -> None:
        self._templates.insert(id_, tokens)
        for masked in self._remembered.pop(len(tokens), ()):  # what such lines fall under may have changed
            self._ids.pop(masked, None)

    def _settle(self, ids: list[int]) -> None:
        """Merge around these templates for as long as there is the evidence."""
        while ids:
            id_ = ids.pop()
            merge = self._evident(id_) if id_ in self._templates.tokens else None
            if merge:
                ids.extend(self._merge(*merge))

    def _evident(self, id_: int) -> tuple[Tokens, list[int]] | None:
        """The place of this template where the most words came, if they are enough to make it a value."""
        tokens, best = self._templates.tokens[id_], None
        for place, siblings in self._templates.siblings(id_):
            token = tokens[place]
            if not has_words(tokens, 1 if token == VALUE else 2):
                continue
            words = {self._templates.tokens[sibling][place] for sibling in siblings}
            if VALUE in words:
                return with_value(tokens, place), siblings
            enough = len(words) >= self.evidence.needed(place, words, self._known)
            if enough and (best is None or len(siblings) > len(best[1])):
                best = with_value(tokens, place), siblings
        return best

    def _merge(self, tokens: Tokens, ids: list[int]) -> Iterator[int]:
        """Put one template in the place of several; yields those to look at again."""
        words = {
            word
            for id_ in ids
            for word, value in zip(self._templates.tokens[id_], tokens, strict=True)
            if value == VALUE != word
        }
        for id_ in ids:
            self._templates.remove(id_)
        kept = min(ids)
        self._merged.update((id_, kept) for id_ in ids if id_ != kept)
        self._insert(kept, tokens)
        fresh = words - self._known
        self._known |= fresh
        yield from (id_ for id_, other in self._templates.tokens.items() if not fresh.isdisjoint(other))
        yield kept

    def to_json(self) -> str:
        """Everything learned; `from_json` goes on from there as if there had been no stop."""
        state = {
            "format": _FORMAT,
            "max_templates": self.max_templates,
            "evidence": asdict(self.evidence),
            "next": self._next,
            "templates": list(self._templates.tokens.items()),
            "merged": list(self._merged.items()),
            "known": sorted(self._known),
        }
        return json.dumps(state)

    @classmethod
    def from_json(cls, text: str) -> "TemplateMiner":
        """The miner that `to_json` wrote. Raises `DataError` if the text is no such state."""
        try:
            state = json.loads(text)
            if state["format"] != _FORMAT:
                raise DataError(f"templates: format {state['format']!r} is not {_FORMAT}; update trine")
            miner = cls(int(state["max_templates"]), Evidence(**state["evidence"]))
            for id_, tokens in state["templates"]:
                miner._templates.insert(int(id_), tuple(map(str, tokens)))
            miner._merged = {int(old): int(new) for old, new in state["merged"]}
            miner._known = set(map(str, state["known"]))
            miner._next = int(state["next"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"templates: no state of a template miner ({error!r:.100}); fit again") from None
        return miner


class _Tree:
    """Templates by their tokens: a node is a dict from token to node; `_END` of the last node holds the id."""

    def __init__(self) -> None:
        self.tokens: dict[int, Tokens] = {}
        self._root: dict[str, Any] = {}
        self._near: defaultdict[int, set[int]] = defaultdict(set)
        self._places: dict[int, list[tuple[int, int]]] = {}

    def find(self, tokens: Tokens) -> int | None:
        """The template that these tokens fall under; words are preferred to values, from the left."""
        paths = [(self._root, 0)]
        while paths:
            node, place = paths.pop()
            if place == len(tokens):
                if _END in node and (self.tokens[node[_END]] == tokens or has_words(self.tokens[node[_END]])):
                    return int(node[_END])
                continue
            token = tokens[place]
            if token != VALUE and VALUE in node and is_word(token):
                paths.append((node[VALUE], place + 1))
            if token in node:
                paths.append((node[token], place + 1))
        return None

    def insert(self, id_: int, tokens: Tokens) -> None:
        node = self._root
        for token in tokens:
            node = node.setdefault(token, {})
        node[_END] = id_
        self.tokens[id_] = tokens
        self._places[id_] = [(i, hash(with_value(tokens, i))) for i, token in enumerate(tokens) if is_word(token)]
        for _, near in self._places[id_]:
            self._near[near].add(id_)

    def remove(self, id_: int) -> None:
        tokens = self.tokens.pop(id_)
        for near in {near for _, near in self._places.pop(id_)}:
            self._near[near].remove(id_)
            if not self._near[near]:
                del self._near[near]
        nodes = [self._root]
        for token in tokens:
            nodes.append(nodes[-1][token])
        del nodes[-1][_END]
        for node, token in zip(reversed(nodes[:-1]), reversed(tokens), strict=True):
            if not node[token]:
                del node[token]

    def siblings(self, id_: int) -> Iterator[tuple[int, list[int]]]:
        """Every place at which this template alone differs from others, with their ids and its own."""
        tokens = self.tokens[id_]
        for place, near in self._places[id_]:
            if len(self._near[near]) > 1:
                ids = [other for other in sorted(self._near[near]) if _differ_at(self.tokens[other], tokens, place)]
                if len(ids) > 1:
                    yield place, ids


def _differ_at(tokens: Tokens, others: Tokens, place: int) -> bool:
    """Whether two templates are equal but for what stands at `place`."""
    return tokens[:place] == others[:place] and tokens[place + 1 :] == others[place + 1 :]


def with_value(tokens: Tokens, place: int) -> Tokens:
    """The tokens with a value at `place`."""
    return (*tokens[:place], VALUE, *tokens[place + 1 :])
