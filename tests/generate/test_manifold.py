import importlib.util

import pytest
import torch

from trine.generate.realism import BLOCK, Manifold


@pytest.mark.skipif(not importlib.util.find_spec("prdc"), reason="the package prdc is not installed")
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (0.0, 0.3)])
def test_both_agree_with_the_authors_package(shift: float, scale: float, capfd: pytest.CaptureFixture[str]) -> None:
    from prdc import compute_prdc

    real, made = torch.randn(120, 6, dtype=torch.float64), shift + scale * torch.randn(80, 6, dtype=torch.float64)
    expected = compute_prdc(real.numpy(), made.numpy(), nearest_k=5)
    density, coverage = Manifold(real, 5).density_and_coverage(made)
    assert (density, coverage) == pytest.approx((expected["density"], expected["coverage"]))


def test_both_are_what_their_definition_says_on_a_line() -> None:
    real = torch.tensor([[0.0], [1.0], [10.0]])  # with one neighbour the balls reach 1, 1 and 9 far
    assert Manifold(real, nearest=1).density_and_coverage(torch.tensor([[0.5], [5.0]])) == (3 / 2, 1.0)
    assert Manifold(real, nearest=1).density_and_coverage(torch.tensor([[-5.0]])) == (0.0, 0.0)


def test_more_pictures_than_a_block_change_nothing() -> None:
    real, made = torch.randn(BLOCK + 50, 2), torch.randn(30, 2)
    shuffled = real[torch.randperm(len(real))]
    assert Manifold(real).density_and_coverage(made) == pytest.approx(Manifold(shuffled).density_and_coverage(made))


def test_one_typical_picture_over_and_over_covers_little() -> None:
    assert Manifold(torch.randn(500, 4)).density_and_coverage(torch.zeros(500, 4))[1] < 0.2
