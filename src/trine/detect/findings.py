"""What a detector reports of a sequence: the finding, and its explanation event by event."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """The detector's judgement of one sequence, flagged or not."""

    name: str
    p_value: float
    """Share of held-out normal sequences that are at least as strange."""
    score: float
    """Fused score; a higher one is stranger."""
    flagged: bool
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
        """The first `count` expected events as text, without those below 0.5 %."""
        return ", ".join(f"{word} {100 * chance:.0f} %" for word, chance in self.expected[:count] if chance >= 0.005)


@dataclass(frozen=True)
class Explanation:
    """A finding with its reasons."""

    name: str
    p_value: float
    flagged: bool
    loudest: str
    says: str
    """What the loudest member says, in words."""
    members: dict[str, float]
    """Each member's p-value."""
    nearest_normal: str | None
    """Name of the normal sequence with the nearest event counts, if a member knows it."""
    events: tuple[ExplainedEvent, ...]

    def as_json(self) -> dict[str, Any]:
        """The explanation as a JSON object."""
        return asdict(self)
