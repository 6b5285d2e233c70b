"""How the files of a set become pixels: what is kept with a trained model, so that it reads new pictures as it did."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from trine.errors import DataError, UsageError

Fit = Literal["auto", "crop", "pad", "squash"]
"""How a picture of another aspect ratio becomes square. auto: crop up to 4:3, pad beyond."""
Backdrop = Literal["contrast", "white"]
"""What is laid below transparent pixels. contrast: white, or black below a bright picture."""
Aspect = Literal["own", "common", "square"]
"""Height and width of a set's pictures. own: as all pictures have them, else a square; common: as all have them, else
with the aspect ratio that most have; square: always a square."""
Range = tuple[float, float]
"""The levels that become 0 and 255."""


@dataclass(frozen=True)
class Reading:
    """How pictures are read. `as_json` and `from_json` keep it with a recipe or a bundle."""

    fit: Fit = "auto"
    """How a picture of another aspect ratio becomes square."""
    backdrop: Backdrop = "contrast"
    """What is laid below transparent pixels."""
    integers: Range = (0.0, 65535.0)
    """Range of integer levels of more than 8 bits; see `levels.integer_range`."""
    floats: Range | None = None
    """Range of floating-point levels; None: 0 to 1 for a picture without a level above 1, else 0 to 255."""

    def __post_init__(self) -> None:
        _check(vars(self))

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, settings: dict[str, Any] | None) -> "Reading":
        """The settings that `as_json` gave; `FORMER` for None, as in bundles of versions before there were any.

        Raises `DataError` for unknown settings.
        """
        if settings is None:
            return FORMER
        if unknown := set(settings) - {field.name for field in fields(cls)}:
            raise DataError(f"settings of reading are not known: {', '.join(sorted(unknown))}: upgrade Trine")
        _check(settings)
        ranges = {name: tuple(map(float, value)) for name, value in settings.items() if isinstance(value, list)}
        return cls(**{**settings, **ranges})


def _check(settings: dict[str, Any]) -> None:
    """Raise `UsageError` for a word that is not known."""
    for name, kind in (("fit", Fit), ("backdrop", Backdrop)):
        if (value := settings.get(name)) is not None and value not in get_args(kind):
            raise UsageError(f"{name}={value} is not known: use one of {', '.join(get_args(kind))}")


FORMER = Reading(fit="crop", backdrop="white")
"""How version 0.1.0 read pictures."""
