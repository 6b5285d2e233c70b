"""Masks the values in a log line: in `Accepted password for root from 10.1.2.3 port 22`, the address and the port.

- Values are words with a digit, paths, dates, quantities with their unit, empty brackets, and what is empty after `=`.
  Neighbouring values become one value, so that lists of different lengths agree.
- The rules are the same for all systems; no field is known by its name.
- Every pattern runs in linear time: quantifiers are possessive, and a match begins only where a chunk begins.
"""

import re
from functools import lru_cache

VALUE = "\0"
"""What a value is replaced by: a character that no line holds."""

Tokens = tuple[str, ...]

_CHUNK = r"[\w.\-/\\:@%+~$#*]"
_NAME = "[A-Za-z]++:[^/]"  # a name before a value is not masked
_UNIT = r"(?:[KMGTkmgt]?i?[Bb]|[Bb]ytes?|[mun]?s|secs?|seconds?|min|minutes?|hours?|days?)\b"
_HOLDS_DIGIT = rf"(?=(?:(?!\d){_CHUNK})*+\d)"
_NUMBER = rf"(?:(?<!\S)[<>])?(?:(?<!{_CHUNK})(?!{_NAME})|(?<=[A-Za-z]:)){_HOLDS_DIGIT}{_CHUNK}++(?:{_UNIT})?"
_PATH = r"(?<![^=(\[\"',:{<])/[^\"'<>()\[\]{},;]*+"
_HEX = r"\b[a-f]{8,}+\b"

_IN_WORD = re.compile("|".join((_PATH, _NUMBER, _HEX)))
_IDENTIFIER = re.compile(r"[A-Za-z_.\-]*+[0-9][\w.\-]*+")
_UNIT_AFTER = re.compile(rf"\0 {_UNIT}")
_MONTHS = frozenset("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())  # noqa: SIM905  (a line, not twelve)
_DATE = re.compile(rf"(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?\b(?:{'|'.join(sorted(_MONTHS))}) \0")
_HOLLOW = re.compile(r"\( ?\0? ?\)|\[ ?\0? ?\]|\{ ?\0? ?\}|< ?\0? ?>|\" ?\0? ?\"")
_RUN = re.compile(r"\0(?:[ ,]*+\0)++")
_TOKEN = re.compile(r"[^ =,;()\[\]{}\"'<>|]++|[=,;()\[\]{}\"'<>|]")
_MARKS = frozenset("=,;()[]{}\"'<>|")
_NO_WORDS = _MARKS | {VALUE}


def mask(line: str) -> str:
    """The line with `VALUE` in place of each value, and one blank between words. The line must not contain `VALUE`."""
    words = line.split()
    masked = _UNIT_AFTER.sub(VALUE, " ".join(map(_mask_word, words)))
    if not _MONTHS.isdisjoint(words):
        masked = _DATE.sub(VALUE, masked)
    masked = _HOLLOW.sub(VALUE, masked)
    if "=" in masked:
        masked = masked.replace("= ", f"={VALUE} ") + VALUE * masked.endswith("=")
    return _RUN.sub(VALUE, masked)


@lru_cache(1 << 14)
def _mask_word(word: str) -> str:
    if len(word) < 8 and word.isalpha():  # no path, no digit, no hexadecimal word
        return word
    if _IDENTIFIER.fullmatch(word):  # the most frequent of the numbers
        return VALUE
    return _IN_WORD.sub(VALUE, word)


def tokens_of(masked: str) -> Tokens:
    """The words, values and punctuation marks of a masked line."""
    return tuple(_TOKEN.findall(masked))


def is_word(token: str) -> bool:
    """Whether the token is a word or a value, not a punctuation mark."""
    return token not in _MARKS


def count_words(tokens: Tokens) -> int:
    """Number of tokens that are words, neither values nor punctuation marks."""
    return sum(token not in _NO_WORDS for token in tokens)


def has_words(tokens: Tokens, count: int = 1) -> bool:
    """Whether at least `count` of the tokens are words."""
    return count_words(tokens) >= count


def text_of(tokens: Tokens) -> str:
    """The tokens as readable text: values as `<*>`, no blanks next to brackets and `=`."""
    text = " ".join(tokens).replace(VALUE, "<*>")
    return re.sub(r" ?([=]) ?|(?<=[(\[{]) | (?=[)\]},;])", r"\1", text)
