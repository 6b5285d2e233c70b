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

from trine.detect.masking import VALUE, Tokens, has_words, is_word, mask, text_of, tokens_of
from trine.errors import DataError

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

    def __len__(self) -> int:
        return len(self._templates.tokens)

    def add(self, line: str) -> int:
        """The template of `line` (its first 4,096 characters), learned if it is new; `OTHER` if there is no room."""
        masked = self._mask(line)
        found = self._ids.get(masked)
        if found is None:
            found = self._find_or_learn(tokens_of(masked))
            _remember(self._ids, masked, found)
        return found

    def match(self, line: str) -> int:
        """The template of `line` among those learned, else `OTHER`. Learns nothing."""
        masked = self._mask(line)
        found = self._ids.get(masked)
        if found is None:
            found = self._templates.find(tokens_of(masked))
            found = OTHER if found is None else found
            _remember(self._ids, masked, found)
        return found

    def resolve(self, template: int) -> int:
        """The id that `template` has by now."""
        while template in self._merged:
            template = self._merged[template]
        return template

    def templates(self) -> list[Template]:
        """All templates by id."""
        return [Template(id_, text_of(tokens)) for id_, tokens in sorted(self._templates.tokens.items())]

    def _mask(self, line: str) -> str:
        """The line masked, remembered for all lines that differ from it in digits only."""
        key = line[:_MAX_LINE].encode(errors="backslashreplace").translate(_ONE_DIGIT)
        key = key.replace(b"0000", b"0").replace(b"00", b"0").replace(b"00", b"0")
        masked = self._masked.get(key)
        if masked is None:
            masked = mask(key.decode())
            _remember(self._masked, key, masked)
        return masked

    def _find_or_learn(self, tokens: Tokens) -> int:
        found = self._templates.find(tokens)
        if found is not None:
            return found
        if len(self) >= self.max_templates:
            return OTHER
        learned, self._next = self._next, self._next + 1
        self._insert(learned, tokens)
        self._settle([learned])
        return self.resolve(learned)

    def _insert(self, id_: int, tokens: Tokens) -> None:
        self._templates.insert(id_, tokens)
        self._ids.clear()  # what a line is found under may have changed

    def _settle(self, ids: list[int]) -> None:
        """Merge around these templates for as long as there is the evidence."""
        while ids:
            id_ = ids.pop()
            if id_ not in self._templates.tokens:
                continue
            merge = self._narrower(id_) or self._evident(id_)
            if merge:
                ids.extend(self._merge(*merge))

    def _narrower(self, id_: int) -> tuple[Tokens, list[int]] | None:
        """The templates that have a word where this one has a value, and nothing else different."""
        tokens = self._templates.tokens[id_]
        if not has_words(tokens):
            return None
        for place in range(len(tokens)):
            if tokens[place] == VALUE and len(siblings := self._templates.siblings(tokens, place)) > 1:
                return tokens, siblings
        return None

    def _evident(self, id_: int) -> tuple[Tokens, list[int]] | None:
        """The place of this template where the most words came, if they are enough to make it a value."""
        tokens, best = self._templates.tokens[id_], None
        if not has_words(tokens, 2):
            return None
        for place, token in enumerate(tokens):
            if token == VALUE or not is_word(token):
                continue
            siblings = self._templates.siblings(tokens, place)
            words = {self._templates.tokens[sibling][place] for sibling in siblings}
            enough = len(words) >= self.evidence.needed(place, words, self._known)
            if enough and (best is None or len(siblings) > len(best[1])):
                best = _with_value(tokens, place), siblings
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
        self._near: defaultdict[int, list[int]] = defaultdict(list)

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
        for near in _neighbourhoods(tokens):
            self._near[near].append(id_)

    def remove(self, id_: int) -> None:
        tokens = self.tokens.pop(id_)
        for near in _neighbourhoods(tokens):
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

    def siblings(self, tokens: Tokens, place: int) -> list[int]:
        """The templates that equal these tokens but for what stands at `place`."""
        near = self._near.get(hash(_with_value(tokens, place)), ())
        before, after = tokens[:place], tokens[place + 1 :]
        return [id_ for id_ in near if self.tokens[id_][:place] == before and self.tokens[id_][place + 1 :] == after]


def _neighbourhoods(tokens: Tokens) -> set[int]:
    return {hash(_with_value(tokens, place)) for place, token in enumerate(tokens) if is_word(token)}


def _with_value(tokens: Tokens, place: int) -> Tokens:
    return (*tokens[:place], VALUE, *tokens[place + 1 :])


def _remember(cache: dict[Any, Any], line: str | bytes, found: str | int) -> None:
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    if len(line) <= _MAX_CACHED_LINE:
        cache[line] = found
