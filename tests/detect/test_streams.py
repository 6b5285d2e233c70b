from collections import Counter

import numpy as np
import torch

from trine.detect.streams import Streams
from trine.sequences.vocabulary import BEGIN, EncodedTable


def table(*lengths):
    """Sequence i is the codes 100 i + 2, 100 i + 3, …"""
    codes = [100 * i + 2 + np.arange(length) for i, length in enumerate(lengths)]
    return EncodedTable({"event": np.concatenate(codes)}, np.concatenate([[0], np.cumsum(lengths)]))


def flat(streams, epoch):
    """The events of all streams of an epoch, one after another."""
    return streams.piece(epoch, 0, streams.length)["event"].flatten().tolist()


def test_every_epoch_has_each_sequence_once_in_its_order_after_a_start_token():
    encoded = table(3, 5, 1, 7)
    for epoch in range(5):
        joined = flat(Streams(encoded, 4, 5, seed=3), epoch)
        assert Counter(joined) == Counter([*encoded.columns["event"].tolist(), *[BEGIN] * 4])
        rotated = joined + joined
        for codes in encoded.codes:
            start = rotated.index(codes[0])
            assert rotated[start : start + len(codes)] == codes.tolist()
            assert rotated[start - 1] == BEGIN


def test_the_end_of_the_last_stream_is_filled_from_the_beginning():
    joined = flat(Streams(table(3, 5), 3, 4, seed=0), 0)
    assert joined[10:] == joined[:2]


def test_epochs_differ_in_their_order_and_do_not_depend_on_those_read_before():
    encoded = table(*[4] * 20)
    first = Streams(encoded, 2, 50, seed=0)
    orders = [flat(first, epoch) for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert flat(first, 0) == orders[0]
    assert flat(Streams(encoded, 2, 50, seed=0), 2) == orders[2]
    assert flat(Streams(encoded, 2, 50, seed=1), 0) != orders[0]


def test_columns_stay_aligned():
    encoded = table(3, 5, 1, 7)
    both = EncodedTable({**encoded.columns, "result": encoded.columns["event"] + 1}, encoded.offsets)
    piece = Streams(both, 4, 5, seed=3).piece(0, 1, 4)
    assert piece["event"].shape == (4, 3)
    is_event = piece["event"] != BEGIN
    assert torch.equal(piece["result"][is_event], piece["event"][is_event] + 1)
