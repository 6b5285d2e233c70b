"""Pictures found by their latents: the most similar ones, pairs that the latents cannot tell apart, unusual ones.

- The distance of two pictures is that of the means of their posteriors.
- Two pictures are nearly equal if, over the active units, the means are nearer than one deviation of the posteriors'
  difference: a sample of one's posterior could as well be of the other's.
- A picture is the more unusual, the farther its nearest neighbours are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from trine import files
from trine.errors import UsageError
from trine.generate.generator import Generator
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet

BLOCK = 1000
"""Pictures whose distances to all others are computed together."""
NEIGHBOURS = 5
"""A picture is as unusual as its fifth neighbour is far: copies of it do not make it usual."""
NEARLY_EQUAL = 1.0
"""Mean squared distance over active units, in variances of the posteriors' difference, below which pictures are nearly
equal."""
INFORMATIVE = 0.05
"""KL divergence in nats from which a unit is compared: others say nothing about a picture."""
ENDINGS = (".npz", ".parquet")


@dataclass(frozen=True)
class LatentTable:
    """The latents of many pictures, with their names and classes."""

    names: Sequence[str]
    classes: Sequence[str] | None
    """The class of each picture, if they have any."""
    means: Float[Tensor, "n latent"]
    deviations: Float[Tensor, "n latent"]

    @classmethod
    def of(cls, model: Generator, opened: PictureSet, split: str | None = None) -> "LatentTable":
        """The latents of a split; without, of all pictures. Raises `DataError`."""
        _, chosen = opened.chosen_split(split or "all")
        means, deviations = model.codec.encode_top(as_channels(np.asarray(chosen.images), model.channels))
        classes = None if chosen.labels is None else [opened.classes[code] for code in chosen.labels.tolist()]
        return cls(list(chosen.names), classes, means, deviations)

    def __len__(self) -> int:
        return len(self.names)

    def nearest(self, means: Float[Tensor, "m latent"], count: int) -> tuple[Tensor, Int64[Tensor, "m count"]]:
        """Distances to the `count` nearest pictures of the table, nearest first, and their indices."""
        blocks = [self._nearest(means[start : start + BLOCK], count) for start in range(0, len(means), BLOCK)]
        distances, indices = zip(*blocks, strict=True)
        return torch.cat(distances), torch.cat(indices)

    def _nearest(self, means: Float[Tensor, "block latent"], count: int) -> tuple[Tensor, Tensor]:
        near = torch.cdist(means, self.means).topk(min(count, len(self)), largest=False).indices
        distances = (means[:, None] - self.means[near]).norm(dim=2)  # computed again: cdist rounds small distances
        distances, order = distances.sort(1)
        return distances, near.gather(1, order)

    def write(self, path: Path) -> None:
        """Write names, classes and means as .npz or .parquet. Raises `UsageError` for another ending."""
        if path.suffix.lower() not in ENDINGS:
            raise UsageError(f"--out {path}: latents are written as {' or '.join(ENDINGS)}: give such a name")
        with files.writing(path) as part:
            if path.suffix.lower() == ".npz":
                self._write_npz(part)
            else:
                self._write_parquet(part, path)

    def _write_npz(self, part: Path) -> None:
        columns = {"path": np.array(self.names), "latent": self.means.numpy(), "deviation": self.deviations.numpy()}
        if self.classes is not None:
            columns["class"] = np.array(self.classes)
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)

    def _write_parquet(self, part: Path, path: Path) -> None:
        try:
            import pyarrow as pa  # heavy, and an extra
            from pyarrow import parquet
        except ImportError:
            raise UsageError(f"{path}: Parquet needs pyarrow; pip install 'trine[parquet]'") from None
        columns = {"path": pa.array(self.names)}
        if self.classes is not None:
            columns["class"] = pa.array(self.classes)
        for name, values in (("latent", self.means), ("deviation", self.deviations)):
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(values.numpy().ravel()), values.shape[1])
        parquet.write_table(pa.table(columns), part)


@dataclass(frozen=True)
class Pair:
    """Two pictures that are nearly equal; `distance` is 0 for equal ones and below 1."""

    first: str
    second: str
    distance: float


@dataclass(frozen=True)
class Unusual:
    """A picture, and how much farther its neighbours are than those of the median picture."""

    name: str
    times: float


def nearly_equal(table: LatentTable, information: Float[Tensor, "latent"]) -> list[Pair]:
    """Pictures whose nearest neighbour the latents cannot tell from them, the nearest pairs first.

    information   KL divergence of each unit, of which those with some are compared
    """
    if len(table) < 2:
        return []
    _, neighbours = table.nearest(table.means, 2)
    own = torch.arange(len(table))
    other = torch.where(neighbours[:, 0] == own, neighbours[:, 1], neighbours[:, 0])
    units = information > INFORMATIVE
    units = units if units.any() else ~units  # of a collapsed model all
    shift = (table.means - table.means[other]).square()
    spread = table.deviations.square() + table.deviations[other].square()
    distances = (shift / spread)[:, units].mean(1)
    pairs = {
        tuple(sorted((index, int(other[index])))): float(distances[index])
        for index in torch.nonzero(distances < NEARLY_EQUAL).flatten().tolist()
    }
    found = [Pair(table.names[first], table.names[second], distance) for (first, second), distance in pairs.items()]
    return sorted(found, key=lambda pair: pair.distance)


def unusual(table: LatentTable, count: int) -> list[Unusual]:
    """The `count` pictures whose neighbours are the farthest, the farthest first."""
    distances, _ = table.nearest(table.means, NEIGHBOURS + 1)  # the nearest is the picture itself
    far = distances[:, -1]
    times = far / far.median().clamp_min(1e-9)
    order = times.argsort(descending=True)[:count].tolist()
    return [Unusual(table.names[index], float(times[index])) for index in order]
