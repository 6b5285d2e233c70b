"""Even samples: of very many sequences, some are as good as all."""

import numpy as np

from trine.annotations import Int64


def even_sample(count: int, most: int) -> Int64[np.ndarray, "chosen"]:
    """Indices of at most `most` of `count` items, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
