"""Pictures as the recipe of a network says: to train on, and to evaluate a trained model on."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from trine.pictures.picture_set import PictureSet, open_pictures
from trine.pictures.reading import Aspect, Fit, Reading


@runtime_checkable
class PictureSettings(Protocol):
    """What a recipe says about its pictures: the arguments of `open_pictures` with the same names."""

    @property
    def fit(self) -> Fit: ...  # noqa: D102
    @property
    def label_from(self) -> str | None: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def validation_share(self) -> float: ...  # noqa: D102
    @property
    def validation_limit(self) -> int: ...  # noqa: D102


def open_to_train(
    settings: PictureSettings,
    data: str | Path,
    data_dir: Path | None,
    size: int | tuple[int, int] | None,
    reading: Reading | None = None,
    cut: bool = True,
    aspect: Aspect = "square",
    transparency: bool = False,
) -> PictureSet:
    """Pictures of one size, with the settings' validation split if the set has none and `cut` is set.

    size      side of squares, or height and width, in pixels; None: the pictures' own, or one chosen from their sizes
    reading   how a trained model reads pictures; None: as the settings say
    aspect    without a size: whether they become square, see `Aspect`
    transparency   keep opacity as a fourth channel, if a pixel is not opaque
    Raises `DataError`, `UsageError`.
    """
    return open_pictures(
        data,
        data_dir=data_dir,
        size=size,
        aspect=aspect,
        transparency=transparency,
        fit=settings.fit,
        reading=reading,
        label_from=settings.label_from,
        seed=settings.seed,
        validation_share=settings.validation_share,
        validation_limit=settings.validation_limit,
        cut=cut,
    )


def open_to_evaluate(
    settings: PictureSettings,
    data: str | Path,
    data_dir: Path | None,
    size: int | tuple[int, int],
    reading: Reading,
    trained_on: str | None,
    transparency: bool = False,
) -> PictureSet:
    """A set as a whole, but the one with the fingerprint `trained_on` is split as in the training."""
    whole = open_to_train(settings, data, data_dir, size, reading, cut=False, transparency=transparency)
    if whole.fingerprint != trained_on:
        return whole
    return open_to_train(settings, data, data_dir, size, reading, transparency=transparency)
