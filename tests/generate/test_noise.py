import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.generate.noise import BLOCK, Draws, block_noise, encoding_noise

seeds = st.integers(0, 2**62)


@given(seeds, st.lists(st.tuples(st.sampled_from(["normal", "uniform", "integer"]), st.integers(1, 70)), max_size=6))
def test_the_numbers_are_those_of_torch_whatever_was_drawn_before(seed, drawn):
    draws, generator = Draws(seed), torch.Generator().manual_seed(seed)
    for kind, count in drawn:
        if kind == "normal":
            assert draws.normal(count) == pytest.approx(torch.randn(count, generator=generator).numpy(), abs=1e-6)
        elif kind == "uniform":
            assert np.array_equal(draws.uniform(count), torch.rand(count, generator=generator).numpy())
        else:
            assert draws.integer(2**62) == int(torch.randint(2**62, (1,), generator=generator))


@given(seeds)
def test_the_noise_of_an_encoding_is_that_of_torch(seed):
    shapes, count = [(5,), (3, 2, 2)], 4
    generator = torch.Generator().manual_seed(seed)
    expected = [torch.randn(count, *shape[1:], shape[0], generator=generator).movedim(-1, 1) for shape in shapes]
    for found, values in zip(encoding_noise(Draws(seed), shapes, count), expected, strict=True):
        assert found == pytest.approx(values.numpy(), abs=1e-6)


def test_noise_is_normal_chances_are_uniform_and_blocks_differ():
    groups, chance, pixels = block_noise([(64,), (8, 4, 4)], seed=1, block=0)
    values = np.concatenate([each.reshape(-1) for each in groups])
    assert [each.shape for each in groups] == [(BLOCK, 64), (BLOCK, 8, 4, 4)]
    assert abs(values.mean()) < 0.03
    assert values.std() == pytest.approx(1, abs=0.03)
    assert ((chance >= 0) & (chance < 1)).all()
    assert 0 <= pixels < 2**62
    assert not np.array_equal(groups[0], block_noise([(64,)], seed=1, block=1)[0][0])
