"""Mines the templates of log lines one line at a time: `Failed password for <*> from <*> port <*> ssh2`.

Templates are merged by evidence, not by similarity. Two masked lines that differ in one word are two templates ("Link
Up", "Link Down"), until enough different words have occurred at this position, with all other words equal, to conclude
that the position holds a value, such as a user name.

- Templates are stored in a prefix tree with a branch for values, as in Drain (He et al., ICWS 2017); its depth is the
  length of the line.
- The result depends only on the lines and their order.
- Memory is bounded: at most `max_templates` are learned, further unknown lines get `OTHER`; full caches are emptied.
- Merged templates continue under the lowest of their ids: see `resolve`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from trine.errors import DataError
from trine.logs.masking import VALUE, Tokens, has_words, is_word, mask, text_of, tokens_of

OTHER = 0
"""The id of lines without a template: nothing is learned, or `max_templates` are learned already."""

_PLAIN = re.compile(r"[A-Za-z][a-z]+:?")
"""A plain word: letters, in lower case after the first."""

_TELLING = re.compile(r"(?:[A-Za-z]+(?:ed|ing)|[A-Z]+):?")
"""A word that tells what happened: it ends in -ed or -ing, or is in capitals."""

_ONE_DIGIT = bytes.maketrans(b"123456789\0", b"000000000 ")
"""Makes every digit 0, so that lines that differ in their digits share a cache entry."""

_MAX_LINE = 4096
"""Characters of a line that are read: the beginning tells the statement, and a hostile line takes no time."""

_MAX_CACHED = 1 << 15
"""Entries of a cache, after which it is emptied."""

_MAX_CACHED_LINE = 1024
"""Characters of the longest line in a cache: a full cache holds at most 32 Mi characters."""

_END = ""
"""Key of a template's id in the last node of its path; no token is empty."""

_FORMAT = 1
"""Version of the JSON of `to_json`."""


@dataclass(frozen=True)
class Evidence:
    """Number of different words at one position, with all other words equal, that makes the position a value."""

    plain: int = 4
    """If most words are plain."""
    odd: int = 3
    """If most words have dots, underscores or inner capitals, as identifiers have."""
    telling: int = 8
    """If a word tells what happened (a participle, or all capitals), or if the line begins with the words."""
    known: int = 2
    """If all words were values in other templates."""

    def needed(self, position: int, words: set[str], known: set[str]) -> int:
        """The number of different words that `words` at `position` must reach."""
        if words <= known:
            return self.known
        if position == 0 or any(_TELLING.fullmatch(word) for word in words):
            return self.telling
        return self.plain if 2 * sum(bool(_PLAIN.fullmatch(word)) for word in words) >= len(words) else self.odd


@dataclass(frozen=True)
class Template:
    """What all lines of one log statement share; `text` has `<*>` for each value."""

    id: int
    text: str


class TemplateMiner:
    """Learns templates from lines and gives each line the id of its template.

    miner = TemplateMiner()
    ids = [miner.add(line) for line in lines]
    final_ids = [miner.resolve(id) for id in ids]
    """

    def __init__(self, max_templates: int = 10_000, evidence: Evidence | None = None) -> None:
        self.max_templates = max_templates
        self.evidence = evidence or Evidence()
        self._templates = _Tree()
        self._merged: dict[int, int] = {}
        self._next = OTHER + 1
        self._known: set[str] = set()
        """Words that were values in some template."""
        self._masked: dict[bytes, str] = {}
        """Cache: line with its digits as 0 to masked line."""
        self._ids: dict[str, int] = {}
        """Cache: masked line to id."""
        self._cached: defaultdict[int, list[str]] = defaultdict(list)
        """The keys of `_ids` by their number of tokens."""

    def __len__(self) -> int:
        return len(self._templates.tokens)

    def add(self, line: str) -> int:
        """The template of the first 4,096 characters of a line; a new one is learned unless `max_templates` are."""
        return self._id_of(line, learn=True)

    def match(self, line: str) -> int:
        """The learned template of a line, else `OTHER`. Learns nothing."""
        return self._id_of(line, learn=False)

    def resolve(self, template: int) -> int:
        """The present id of a template that may have been merged since."""
        while template in self._merged:
            template = self._merged[template]
        return template

    def templates(self) -> list[Template]:
        """All templates, ordered by id."""
        return [Template(id_, text_of(tokens)) for id_, tokens in sorted(self._templates.tokens.items())]

    def _mask(self, line: str) -> str:
        """The masked line, cached for all lines that differ in their digits only."""
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

    def _id_of(self, line: str, learn: bool) -> int:
        masked = self._mask(line)
        cached = self._ids.get(masked)
        if cached is not None:
            return cached
        tokens = tokens_of(masked)
        id_ = self._templates.find(tokens)
        if id_ is None:
            id_ = self._learn(tokens) if learn and len(self) < self.max_templates else OTHER
        if id_ != OTHER and len(masked) <= _MAX_CACHED_LINE:
            self._cache(masked, len(tokens), id_)
        return id_

    def _cache(self, masked: str, length: int, id_: int) -> None:
        if len(self._ids) >= _MAX_CACHED:
            self._ids.clear()
            self._cached.clear()
        self._ids[masked] = id_
        self._cached[length].append(masked)

    def _learn(self, tokens: Tokens) -> int:
        learned, self._next = self._next, self._next + 1
        self._insert(learned, tokens)
        self._settle([learned])
        return self.resolve(learned)

    def _insert(self, id_: int, tokens: Tokens) -> None:
        self._templates.insert(id_, tokens)
        for masked in self._cached.pop(len(tokens), ()):  # the template of a line of this length may have changed
            self._ids.pop(masked, None)

    def _settle(self, ids: list[int]) -> None:
        """Merge these templates with others, and the results again, as long as the evidence suffices."""
        while ids:
            id_ = ids.pop()
            merge = self._evident(id_) if id_ in self._templates.tokens else None
            if merge:
                ids.extend(self._merge(*merge))

    def _evident(self, id_: int) -> tuple[Tokens, list[int]] | None:
        """The merge with the most evidence that a template is part of: the merged tokens, and the ids to merge."""
        tokens, best = self._templates.tokens[id_], None
        for position, siblings in self._templates.siblings(id_):
            token = tokens[position]
            if not has_words(tokens, 1 if token == VALUE else 2):
                continue
            words = {self._templates.tokens[sibling][position] for sibling in siblings}
            if VALUE in words:
                return with_value(tokens, position), siblings
            enough = len(words) >= self.evidence.needed(position, words, self._known)
            if enough and (best is None or len(siblings) > len(best[1])):
                best = with_value(tokens, position), siblings
        return best

    def _merge(self, tokens: Tokens, ids: list[int]) -> Iterator[int]:
        """Replace several templates by one. Yields the ids of the templates whose evidence this may have changed."""
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
        """Everything learned, as JSON: a miner of `from_json` continues with the same results."""
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
        """The miner that `to_json` wrote. Raises `DataError` if the text is not the state of a miner."""
        try:
            state = json.loads(text)
            if state["format"] != _FORMAT:
                raise DataError(f"templates: format {state['format']!r} is not {_FORMAT}; install a newer trine")
            miner = cls(int(state["max_templates"]), Evidence(**state["evidence"]))
            for id_, tokens in state["templates"]:
                miner._templates.insert(int(id_), tuple(map(str, tokens)))
            miner._merged = {int(old): int(new) for old, new in state["merged"]}
            miner._known = set(map(str, state["known"]))
            miner._next = int(state["next"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"templates: not the state of a template miner ({error!r:.100}); fit again") from None
        return miner


class _Tree:
    """Templates in a prefix tree: a node maps a token to the next node, and `_END` to the id of a template."""

    def __init__(self) -> None:
        self.tokens: dict[int, Tokens] = {}
        """The tokens of each template, by id."""
        self._root: dict[str, Any] = {}
        self._near: defaultdict[int, set[int]] = defaultdict(set)
        """Hash of a template with a value at one position to the ids of all templates with this hash."""
        self._hashes: dict[int, list[tuple[int, int]]] = {}
        """Id to the positions of its words, each with the hash for `_near`."""

    def find(self, tokens: Tokens) -> int | None:
        """The id of the template that matches the tokens; from the left, an equal word is preferred to a value."""
        paths = [(self._root, 0)]
        while paths:
            node, position = paths.pop()
            if position == len(tokens):
                if _END in node and (self.tokens[node[_END]] == tokens or has_words(self.tokens[node[_END]])):
                    return int(node[_END])
                continue
            token = tokens[position]
            if token != VALUE and VALUE in node and is_word(token):
                paths.append((node[VALUE], position + 1))
            if token in node:
                paths.append((node[token], position + 1))
        return None

    def insert(self, id_: int, tokens: Tokens) -> None:
        node = self._root
        for token in tokens:
            node = node.setdefault(token, {})
        node[_END] = id_
        self.tokens[id_] = tokens
        self._hashes[id_] = [(i, hash(with_value(tokens, i))) for i, token in enumerate(tokens) if is_word(token)]
        for _, near in self._hashes[id_]:
            self._near[near].add(id_)

    def remove(self, id_: int) -> None:
        tokens = self.tokens.pop(id_)
        for near in {near for _, near in self._hashes.pop(id_)}:
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
        """Positions at which other templates differ from this one, and nowhere else; with their ids and its own."""
        tokens = self.tokens[id_]
        for position, near in self._hashes[id_]:
            if len(self._near[near]) > 1:
                ids = [other for other in sorted(self._near[near]) if _equal_but(self.tokens[other], tokens, position)]
                if len(ids) > 1:
                    yield position, ids


def _equal_but(tokens: Tokens, others: Tokens, position: int) -> bool:
    """Whether two templates are equal at all other positions."""
    return tokens[:position] == others[:position] and tokens[position + 1 :] == others[position + 1 :]


def with_value(tokens: Tokens, position: int) -> Tokens:
    """The tokens with a value at `position`."""
    return (*tokens[:position], VALUE, *tokens[position + 1 :])
