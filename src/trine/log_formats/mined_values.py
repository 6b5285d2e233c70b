"""Whether the values of a field are names of events or free text, whose template has to be mined."""

import re

_MOST_VALUES = 200
"""Values after which it is decided whether a field is free text."""
_DIGIT = re.compile(r"\d")


class FreeText:
    """Decides whether the values of a field are free text, by the first 200 that hold a blank.

    Until then they count as free text. A value without a blank is always a name.
    """

    def __init__(self) -> None:
        self._seen: set[str] | None = set()
        self._count = self._with_digits = 0
        self._free = True

    def mined(self, value: str) -> bool:
        """Whether the value is free text."""
        if " " not in value:
            return False
        if self._seen is not None:
            self._count += 1
            self._seen.add(value[:200])
            self._with_digits += _DIGIT.search(value) is not None
            if self._count == _MOST_VALUES:
                self._free = 2 * max(len(self._seen), self._with_digits) > _MOST_VALUES
                self._seen = None
        return self._free
