"""Escape sequences of terminals, such as colours and titles, which are no part of a text."""

import re

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)|[ -/]++[0-~]|[@-Z\\^_a-z=>78])")


def without_escapes(text: str) -> str:
    """The text without escape sequences; an escape character that begins none is written as `\\x1b`."""
    return _ESCAPE.sub("", text).replace("\x1b", "\\x1b") if "\x1b" in text else text
