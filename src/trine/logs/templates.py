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

from trine.errors import DataError
from trine.logs.masking import VALUE, Tokens, mask, text_of, tokens_of
from trine.logs.template_tree import TemplateTree, with_value

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

_MAX_NEW = 200
"""Characters of the text of a line of no template."""

_MAX_TOKENS = 256
"""Words and marks of a line that are read."""

_TOKENS_PER_TEMPLATE = 40
"""Mean number of words and marks of a template, if as many are learned as can be: this bounds the memory."""

_MAX_CACHED = 1 << 15
"""Entries of a cache, after which it is emptied."""

_MAX_CACHED_LINE = 1024
"""Characters of the longest line in a cache: a full cache holds at most 32 Mi characters."""

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


@dataclass(slots=True)
class _Masked:
    """A masked line."""

    text: str
    id: int = OTHER
    """Its template; `OTHER` if that has to be found."""


class TemplateMiner:
    """Learns templates from lines and gives each line the id of its template.

    miner = TemplateMiner()
    ids = [miner.add(line) for line in lines]
    final_ids = [miner.resolve(id) for id in ids]
    """

    def __init__(self, max_templates: int = 10_000, evidence: Evidence | None = None) -> None:
        self.max_templates = max_templates
        self.evidence = evidence or Evidence()
        self._templates = TemplateTree()
        self._merged: dict[int, int] = {}
        self._next = OTHER + 1
        self._known: set[str] = set()
        """Words that were values in some template."""
        self._lines: dict[bytes, _Masked] = {}
        """Cache: line with its digits as 0 to masked line."""
        self._numbers: dict[bytes, _Masked] = {}
        """Cache: the same with all digits in a row as one."""
        self._masked: dict[str, _Masked] = {}
        """The masked lines of these caches by their text."""
        self._with_id: defaultdict[int, list[_Masked]] = defaultdict(list)
        """Those whose ids are known, by their number of tokens."""

    def __len__(self) -> int:
        return len(self._templates.tokens)

    @property
    def full(self) -> bool:
        """Whether no more templates are learned: new lines get `OTHER`."""
        return len(self) >= self.max_templates or self._templates.size >= self.max_templates * _TOKENS_PER_TEMPLATE

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

    def text(self, template: int) -> str:
        """The text of a template that may have been merged since; `<*>` for `OTHER`."""
        tokens = self._templates.tokens.get(self.resolve(template))
        return text_of((VALUE,) if tokens is None else tokens)

    def text_of_new(self, line: str) -> str:
        """The text of a line of no learned template, at most 200 characters, with `<*>` for what is surely a value."""
        text = text_of(tokens_of(mask(_one_digit(line[:_MAX_LINE]).decode(errors="replace")))[:_MAX_TOKENS])
        return text if len(text) <= _MAX_NEW else text[: _MAX_NEW - 1] + "…"

    def templates(self) -> list[Template]:
        """All templates, ordered by id."""
        return [Template(id_, text_of(tokens)) for id_, tokens in sorted(self._templates.tokens.items())]

    def _id_of(self, line: str, learn: bool) -> int:
        key = (
            line[:_MAX_LINE].encode(errors="backslashreplace").translate(_ONE_DIGIT)
        )  # as _one_digit, without its call
        masked = self._lines.get(key)
        if masked is None:
            masked = self._mask(key)
        if masked.id == OTHER:
            self._identify(masked, learn)
        return masked.id

    def _mask(self, line: bytes) -> "_Masked":
        """The masked line, cached for all lines that differ in their digits only."""
        if len(self._lines) >= _MAX_CACHED:
            self._lines.clear()
        if len(self._numbers) >= _MAX_CACHED:
            for cache in (self._lines, self._numbers, self._masked, self._with_id):
                cache.clear()
        key = line.replace(b"0000", b"0")
        while b"00" in key:
            key = key.replace(b"00", b"0")
        masked = self._numbers.get(key)
        if masked is None:
            text = mask(key.decode(errors="replace"))
            masked = self._masked.get(text) or _Masked(text)
        if len(line) <= _MAX_CACHED_LINE:
            self._lines[line] = self._numbers[key] = self._masked[masked.text] = masked
        return masked

    def _identify(self, masked: "_Masked", learn: bool) -> None:
        """Find or learn the template of a masked line."""
        tokens = tokens_of(masked.text)[:_MAX_TOKENS]
        id_ = self._templates.find(tokens)
        if id_ is None:
            id_ = self._learn(tokens) if learn and not self.full else OTHER
        masked.id = id_
        if id_ != OTHER and masked.text in self._masked:
            self._with_id[len(tokens)].append(masked)

    def _learn(self, tokens: Tokens) -> int:
        learned, self._next = self._next, self._next + 1
        self._insert(learned, tokens)
        self._settle([learned])
        return self.resolve(learned)

    def _insert(self, id_: int, tokens: Tokens) -> None:
        self._templates.insert(id_, tokens)
        for masked in self._with_id.pop(len(tokens), ()):  # the template of a line of this length may have changed
            masked.id = OTHER

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
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"templates: not the state of a template miner ({error!r:.100}); fit again") from None
        return miner


def _one_digit(line: str) -> bytes:
    """The line with its digits as 0."""
    return line.encode(errors="backslashreplace").translate(_ONE_DIGIT)
