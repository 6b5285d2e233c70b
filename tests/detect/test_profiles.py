import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import trine.detect.profiles as module
from tests.detect.conftest import encoded
from trine.detect.profiles import Profiles

sequences = st.lists(st.lists(st.integers(2, 30), min_size=1, max_size=20), min_size=2, max_size=12)


def distances(train, new, width):
    """Distances between the square roots of the shares, computed cell by cell."""

    def roots(codes):
        return np.sqrt(np.bincount(np.minimum(codes, width - 1), minlength=width) / len(codes))

    return np.array([[np.linalg.norm(roots(a) - roots(b)) for b in train] for a in new])


@given(sequences, sequences)
def test_the_nearest_profile_has_the_smallest_distance(train, new):
    profiles = Profiles.of(encoded(*train), 25)
    indices, nearest = profiles.nearest(encoded(*new), 2)
    expected = distances(train, new, 25)
    assert nearest == pytest.approx(np.sort(expected, 1)[:, :2], abs=3e-3)
    assert expected[np.arange(len(new)), indices[:, 0]] == pytest.approx(expected.min(1), abs=3e-3)


@given(sequences)
def test_an_equal_mix_in_another_order_has_no_distance(train):
    profiles = Profiles.of(encoded(*train), 40)
    assert (profiles.nearest(encoded(*[codes[::-1] * 3 for codes in train]), 1)[1] == 0).all()


def test_small_pieces_give_the_same_neighbours(monkeypatch):
    draw = np.random.default_rng(0)
    train, new = (encoded(*draw.integers(2, 90, (50, 30))) for _ in range(2))
    whole = Profiles.of(train, 92).nearest(new, 3)
    monkeypatch.setattr(module, "ROWS", 7)
    monkeypatch.setattr(module, "KINDS", 5)
    pieces = Profiles.of(train, 92).nearest(new, 3)
    assert np.allclose(whole[1], pieces[1], atol=1e-3)
    assert (whole[0][:, 0] == pieces[0][:, 0]).mean() > 0.9


def test_the_table_stays_as_it_is():
    table = encoded([5, 2, 5, 2], [3, 3])
    Profiles.of(table, 6).nearest(table, 1)
    assert table.columns["event"].tolist() == [5, 2, 5, 2, 3, 3]
    assert table.offsets.tolist() == [0, 4, 6]


def test_profiles_of_earlier_versions_have_the_distances_that_these_computed():
    draw = np.random.default_rng(0)
    cells = np.sqrt(draw.dirichlet(np.ones(9), 40)).astype(np.float32)
    profiles = Profiles.of_arrays({"profiles": cells})
    new = encoded(*draw.integers(2, 9, (30, 12)))
    roots = np.stack([np.sqrt(np.bincount(codes, minlength=9) / 12) for codes in new.codes]).astype(np.float32)
    former = torch.cdist(torch.from_numpy(roots), torch.from_numpy(cells)).topk(3, largest=False)
    indices, nearest = profiles.nearest(new, 3)
    assert np.array_equal(indices, former.indices)
    assert nearest == pytest.approx(former.values.numpy(), abs=1e-6)
    assert np.array_equal(profiles.arrays()["profiles"], cells)


def test_a_hundred_thousand_sequences_over_thousands_of_kinds_are_compared_in_the_memory_of_their_events():
    draw = np.random.default_rng(0)
    table = encoded(*draw.integers(2, 5_000, (20_000, 5)))
    profiles = Profiles.of(table, 5_002)
    assert sum(value.size for value in profiles.arrays().values()) < 3 * table.events
    indices, nearest = profiles.nearest(encoded(*table.codes[:20]), 1)
    assert indices[:, 0].tolist() == list(range(20))
    assert (nearest == 0).all()


def test_of_very_many_sequences_an_even_sample_is_compared_with_and_keeps_its_indices(monkeypatch):
    monkeypatch.setattr(module, "MOST", 5)
    train = [[code] * 3 for code in range(2, 15)]
    profiles = Profiles.of_arrays(Profiles.of(encoded(*train), 20).arrays())
    indices, nearest = profiles.nearest(encoded(*train), 1)
    compared = nearest[:, 0] == 0
    assert compared.sum() == 5
    assert compared[[0, -1]].all()
    assert indices[compared, 0].tolist() == np.flatnonzero(compared).tolist()
