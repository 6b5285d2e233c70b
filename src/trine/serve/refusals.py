"""What is answered instead of a result: a status, one line that says what is wrong, and nothing of the inside."""

from collections.abc import Mapping

from trine.errors import BundleError, DataError, StoreError, TrineError, UnsafeDataError, UsageError

STATUS: tuple[tuple[type[TrineError], int], ...] = (
    (UnsafeDataError, 413),
    (DataError, 422),
    (UsageError, 422),
    (StoreError, 503),
    (BundleError, 503),
)
"""Status of an error by its kind, the first that fits."""
LONGEST = 500
"""Characters of a message."""


class Refusal(Exception):  # noqa: N818  (it is an answer as much as an error)
    """A request that is not answered as it wishes."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, " ".join(message.split())[:LONGEST], dict(headers or {})

    @classmethod
    def of(cls, problem: TrineError) -> "Refusal":
        """The answer to an error that Trine raises on purpose."""
        status = next((status for kind, status in STATUS if isinstance(problem, kind)), 422)
        return cls(status, str(problem))

    @classmethod
    def busy(cls, seconds: float) -> "Refusal":
        """429: too much is waiting; `seconds` until it is worth trying again."""
        wait = max(1, min(60, round(seconds)))
        return cls(429, f"busy: try again in {wait} s", {"Retry-After": str(wait)})

    @classmethod
    def late(cls, seconds: float) -> "Refusal":
        """504: the answer takes longer than it may."""
        return cls(504, f"no answer within {seconds:g} s: ask for less at once, or again in a moment")


class ClientGone(Exception):  # noqa: N818
    """The client left before its answer."""
