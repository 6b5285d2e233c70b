"""What varies in a log line, masked: `Accepted password for root from 10.1.2.3 port 22` has two values in any line.

- Masked is whatever holds a digit, a path, a date, a quantity with its unit, an empty bracket, nothing after a `=`.
  Neighbouring values become one, so lists of any length agree.
- One setting for all systems; no field is known by name.
- Every pattern runs in linear time: possessive, and anchored where a chunk begins.
"""

import re
from functools import lru_cache

VALUE = "\0"
Tokens = tuple[str, ...]

_CHUNK = r"[\w.\-/\\:@%+~$#*]"
_NAME = "[A-Za-z]++:[^/]"  # stays, where it stands before a value
_UNIT = r"(?:[KMGTkmgt]?i?[Bb]|[Bb]ytes?|[mun]?s|secs?|seconds?|min|minutes?|hours?|days?)\b"
_HOLDS_DIGIT = rf"(?=(?:(?!\d){_CHUNK})*+\d)"
_NUMBER = rf"(?:(?<!\S)[<>])?(?:(?<!{_CHUNK})(?!{_NAME})|(?<=[A-Za-z]:)){_HOLDS_DIGIT}{_CHUNK}++(?:{_UNIT})?"
_PATH = r"(?<![^=(\[\"',:{<])/[^\"'<>()\[\]{},;]*+"
_HEX = r"\b[a-f]{8,}+\b"

_IN_WORD = re.compile("|".join((_PATH, _NUMBER, _HEX)))
_UNIT_AFTER = re.compile(rf"\0 {_UNIT}")
_MONTHS = frozenset("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())  # noqa: SIM905  (a line, not twelve)
_DATE = re.compile(rf"(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?\b(?:{'|'.join(sorted(_MONTHS))}) \0")
_HOLLOW = re.compile(r"\( ?\0? ?\)|\[ ?\0? ?\]|\{ ?\0? ?\}|< ?\0? ?>|\" ?\0? ?\"|(?<==)(?= |$)")
_RUN = re.compile(r"\0(?:[ ,]*+\0)++")
_TOKEN = re.compile(r"[^ =,;()\[\]{}\"'<>|]++|[=,;()\[\]{}\"'<>|]")
_MARKS = frozenset("=,;()[]{}\"'<>|")


def mask(line: str) -> str:
    """`line` with `VALUE` in the place of every value, and one blank between words. It must hold no `VALUE` before."""
    words = line.split()
    masked = _UNIT_AFTER.sub(VALUE, " ".join(map(_mask_word, words)))
    if not _MONTHS.isdisjoint(words):
        masked = _DATE.sub(VALUE, masked)
    return _RUN.sub(VALUE, _HOLLOW.sub(VALUE, masked))


@lru_cache(1 << 14)
def _mask_word(word: str) -> str:
    return _IN_WORD.sub(VALUE, word)


def tokens_of(masked: str) -> Tokens:
    """Words and punctuation marks of a masked line."""
    return tuple(_TOKEN.findall(masked))


def is_word(token: str) -> bool:
    """Whether the token can be a value: it is one, or a word, but no mark."""
    return token not in _MARKS


def has_words(tokens: Tokens, count: int = 1) -> bool:
    """Whether at least `count` of the tokens are words that stay."""
    return sum(token != VALUE and token not in _MARKS for token in tokens) >= count


def text_of(tokens: Tokens) -> str:
    """The tokens for people: values as `<*>`, marks without the blanks that no one would write."""
    text = " ".join(tokens).replace(VALUE, "<*>")
    return re.sub(r" ?([=]) ?|(?<=[(\[{]) | (?=[)\]},;])", r"\1", text)
