"""Counted nouns in messages for people: 1 event, 2,000 events."""

import re

_IES, _ES = re.compile(r"[^aeiou]y$"), re.compile(r"(?:s|x|ch|sh)$")


def quantity(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 event`, `2,000 events`; `plural` is for nouns that do not end in s, es or ies."""
    return f"{count:,} {noun if count == 1 else plural or plural_of(noun)}"


def plural_of(noun: str) -> str:
    """The regular plural: events, classes, entities."""
    if _IES.search(noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if _ES.search(noun) else f"{noun}s"


def verb(count: int, one: str, several: str) -> str:
    """The form of a verb for this number: `verb(1, "is", "are")` is `is`."""
    return one if count == 1 else several
