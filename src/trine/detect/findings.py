"""What a detector reports per sequence: the finding, and the explanation event by event."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """The result for one sequence, flagged or not."""

    name: str
    p_value: float
    """Share of held-out normal sequences that are at least as strange."""
    score: float
    """Fused score of all members, without a unit; a higher one is stranger."""
    flagged: bool
    """Whether the p-value is at most the detector's threshold."""
    loudest: str
    """The member with the smallest p-value."""
    members: dict[str, float]
    """Each member's p-value."""

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class ExplainedEvent:
    """One event of an explained sequence."""

    event: str
    surprisal: float
    """In nats."""
    expected: tuple[tuple[str, float], ...]
    """The most probable events at this position, with their probabilities."""

    def likeliest(self, count: int) -> str:
        """The `count` most probable events as text; probabilities below 0.5 % are left out."""
        return ", ".join(f"{word} {100 * p:.0f} %" for word, p in self.expected[:count] if p >= 0.005)


@dataclass(frozen=True)
class Explanation:
    """A finding with its reasons."""

    name: str
    p_value: float
    """Share of held-out normal sequences that are at least as strange."""
    flagged: bool
    loudest: str
    """The member with the smallest p-value."""
    says: str
    """Meaning of a high score of the loudest member, in words."""
    members: dict[str, float]
    """Each member's p-value."""
    nearest_normal: str | None
    """Name of the normal sequence with the nearest event counts; None when no member compares counts."""
    events: tuple[ExplainedEvent, ...]

    def as_json(self) -> dict[str, Any]:
        """The explanation as a JSON object."""
        return asdict(self)
