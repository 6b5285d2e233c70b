from collections import Counter

import numpy as np
import torch

from trine.detect.network import BEGIN
from trine.detect.streams import Streams
from trine.detect.surprisal import EncodedTable


def table(*lengths):
    """Sequence i is the codes 100 i + 2, 100 i + 3, …"""
    codes = [100 * i + 2 + np.arange(length) for i, length in enumerate(lengths)]
    return EncodedTable({"event": np.concatenate(codes)}, np.concatenate([[0], np.cumsum(lengths)]))


def ring(streams, epoch):
    return streams.piece(epoch, 0, streams.length)["event"].flatten().tolist()


def test_streams_hold_each_sequence_once_an_epoch_in_its_order_after_a_begin():
    encoded = table(3, 5, 1, 7)
    for epoch in range(5):
        joined = ring(Streams(encoded, 4, 5, seed=3), epoch)
        assert Counter(joined) == Counter([*encoded.columns["event"].tolist(), *[BEGIN] * 4])
        turned = joined + joined
        for codes in encoded.codes:
            start = turned.index(codes[0])
            assert turned[start : start + len(codes)] == codes.tolist()
            assert turned[start - 1] == BEGIN


def test_what_does_not_fill_the_last_stream_is_filled_from_the_first():
    joined = ring(Streams(table(3, 5), 3, 4, seed=0), 0)
    assert joined[10:] == joined[:2]


def test_epochs_are_in_another_order_and_do_not_depend_on_what_was_read_before():
    encoded = table(*[4] * 20)
    first = Streams(encoded, 2, 50, seed=0)
    orders = [ring(first, epoch) for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert ring(first, 0) == orders[0]
    assert ring(Streams(encoded, 2, 50, seed=0), 2) == orders[2]
    assert ring(Streams(encoded, 2, 50, seed=1), 0) != orders[0]


def test_columns_stay_side_by_side():
    encoded = table(3, 5, 1, 7)
    both = EncodedTable({**encoded.columns, "result": encoded.columns["event"] + 1}, encoded.offsets)
    laid = Streams(both, 4, 5, seed=3).piece(0, 1, 4)
    assert laid["event"].shape == (4, 3)
    inside = laid["event"] != BEGIN
    assert torch.equal(laid["result"][inside], laid["event"][inside] + 1)
