"""Sequences joined into parallel streams, on which a recurrent network trains."""

import numpy as np
import torch

from trine.detect.network import Columns
from trine.sequences.vocabulary import BEGIN, EncodedTable


class Streams:
    """`count` streams of `length` events.

    Each epoch shuffles the sequences, joins them (each after a start token), rotates the result by a random number of
    events and cuts it into streams. The end of the last stream is filled from the beginning.
    """

    def __init__(self, table: EncodedTable, count: int, length: int, seed: int) -> None:
        self.table, self.count, self.length, self.seed = table, count, length, seed
        self.epoch, self.columns = -1, dict[str, torch.Tensor]()

    def piece(self, epoch: int, start: int, end: int) -> Columns:
        """Events `start` to `end` of every stream of an epoch, of shape (streams, end − start)."""
        if epoch != self.epoch:
            self.epoch, self.columns = epoch, self._columns(epoch)
        return {name: values[:, start:end].long() for name, values in self.columns.items()}

    def _columns(self, epoch: int) -> dict[str, torch.Tensor]:
        draw = np.random.default_rng((self.seed, epoch))
        order, rotation = draw.permutation(len(self.table)), int(draw.integers(self.table.events))
        return {name: self._joined(codes, order, rotation) for name, codes in self.table.columns.items()}

    def _joined(self, codes: np.ndarray, order: np.ndarray, rotation: int) -> torch.Tensor:
        begin = np.array([BEGIN], codes.dtype)
        starts, ends = self.table.offsets[:-1], self.table.offsets[1:]
        flat = np.concatenate([part for i in order for part in (begin, codes[starts[i] : ends[i]])])
        return torch.from_numpy(np.resize(np.roll(flat, rotation), self.count * self.length).reshape(self.count, -1))
