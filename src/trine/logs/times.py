"""Times of logs in any form, as seconds since 1970."""

import re
from datetime import UTC, datetime


class Clock:
    """Reads the times of one log.

    clock = Clock()
    seconds = clock.seconds("2024-05-01T10:00:00+02:00")
    """

    def __init__(self, time_format: str | None = None) -> None:
        self.time_format = time_format
        self.not_understood = 0
        """Number of times that were found but not understood."""

    def seconds(self, text: str) -> float | None:
        """Seconds since 1970; None if the text is no time."""
        return seconds(text)


def seconds(text: str) -> float | None:
    """Seconds since 1970 of a number, an ISO time or a web server's time; of a time of day, seconds since midnight.

    Numbers above 10¹¹ are milliseconds. None if the text is no time.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text):
            number = float(text)
            return number / 1000 if number > 1e11 else number
        if re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", text):
            return int(text[:2]) * 3600 + int(text[3:5]) * 60 + float(text[6:])
        if "/" in text:
            return datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        moment = datetime.fromisoformat(text.replace(",", "."))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
