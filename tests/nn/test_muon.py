import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trine.nn.muon import QUINTIC, Muon, orthogonalise


@given(rows=st.integers(2, 40), columns=st.integers(2, 40), seed=st.integers(0, 99))
def test_singular_values_that_are_not_small_end_near_one(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(rows, rows, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(columns, columns, generator=generator))
    rank = min(rows, columns)
    values = torch.linspace(1, 2, rank)
    values = values / values.norm()
    matrix = left[:, :rank] * values @ right[:rank]
    orthogonalised = torch.linalg.svdvals(orthogonalise(matrix, iterations=6))
    assert orthogonalised.max() < 1.25
    assert orthogonalised.min() > 0.6


def test_the_singular_vectors_stay_as_they_are():
    matrix = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    middle = u.T @ orthogonalise(matrix) @ v.T
    assert torch.allclose(middle, torch.diag(middle.diagonal()), atol=1e-5)
    assert (middle.diagonal() > 0).all()


def test_a_tall_matrix_is_treated_as_its_transpose():
    matrix = torch.randn(10, 6)
    assert torch.allclose(orthogonalise(matrix), orthogonalise(matrix.T).T, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (64, 1, 3, 3)])
def test_filters_are_updated_as_a_matrix_with_one_row_per_filter(shape, layout):
    gradient = torch.randn(shape)
    filters = nn.Parameter(torch.randn(shape).to(memory_format=layout))
    before = filters.detach().clone()
    filters.grad = gradient.to(memory_format=layout)
    Muon([filters], momentum=0.0, normalise=False).step(0.1)
    expected = before - 0.1 * orthogonalise(gradient.reshape(shape[0], -1)).reshape(shape)
    assert torch.allclose(filters, expected, atol=1e-6)
    assert filters.is_contiguous(memory_format=layout)


def test_each_filter_bank_is_scaled_to_the_root_of_its_number_of_filters():
    filters = nn.Parameter(5 * torch.randn(16, 4, 3, 3))
    filters.grad = torch.zeros_like(filters)
    Muon([filters]).step(0.1)
    assert float(filters.detach().norm()) == pytest.approx(4, abs=1e-4)


def test_filters_that_are_zero_stay_finite():
    filters = nn.Parameter(torch.zeros(4, 2, 3, 3))
    filters.grad = torch.zeros_like(filters)
    Muon([filters]).step(0.02)
    assert filters.isfinite().all()


def test_the_update_is_computed_in_single_precision_under_autocast():
    gradient = torch.randn(8, 3, 3, 3)
    results = []
    for enabled in (False, True):
        filters = nn.Parameter(torch.ones(8, 3, 3, 3))
        filters.grad = gradient.clone()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            Muon([filters]).step(0.02)
        results.append(filters.detach())
    assert torch.equal(*results)


def test_it_reaches_the_minimum_of_a_quadratic():
    torch.manual_seed(0)
    target, weight = torch.randn(6, 6), nn.Parameter(torch.zeros(6, 6))
    optimiser = Muon([weight], normalise=False)
    for step in range(300):
        weight.grad = weight.detach() - target
        optimiser.step(0.05 * (1 - step / 300))
    assert (weight - target).norm() < 0.1 * target.norm()


def test_a_batch_of_matrices_is_made_orthogonal_as_each_would_be_alone():
    batch = torch.randn(3, 6, 10)
    assert torch.allclose(orthogonalise(batch), torch.stack([orthogonalise(x) for x in batch]), atol=1e-5)


def test_the_iteration_is_newton_schulz_on_the_matrix_itself():
    a, b, c = QUINTIC
    matrix = torch.randn(6, 10, dtype=torch.float64)
    x = matrix / matrix.norm()
    for _ in range(3):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    assert torch.allclose(orthogonalise(matrix), x, atol=1e-6)


def test_parameters_of_one_shape_are_updated_as_each_would_be_alone():
    together, alone = ([nn.Parameter(torch.ones(4, 6)) for _ in range(3)] for _ in range(2))
    for first, second in zip(together, alone, strict=True):
        first.grad = torch.randn(4, 6)
        second.grad = first.grad.clone()
    Muon(together).step(0.02)
    for parameter in alone:
        Muon([parameter]).step(0.02)
    assert all(torch.allclose(first, second, atol=1e-5) for first, second in zip(together, alone, strict=True))
