"""torch traces and exports the operators of minimal filtering."""

import pytest
import torch
from torch import Tensor, nn

from trine.nn.convolution import FILTERED_PAIRS, Convolution
from trine.nn.winograd import OPERATORS, TILE

SIDES = (1, 7, TILE, 16)


def convolve_arguments(side: int, columns: int) -> tuple[Tensor, Tensor, int, int]:
    return torch.randn(3, side, side, 5), torch.randn(4, 3, 3, 5), side, columns


@pytest.mark.parametrize("side", SIDES)
def test_torch_traces_the_convolution_as_it_computes_it(side):
    torch.library.opcheck(OPERATORS.convolve, convolve_arguments(side, max(1, side - 1)))


@pytest.mark.parametrize("side", SIDES)
def test_torch_traces_the_gradients_as_it_computes_them(side):
    columns = max(1, side - 1)
    outputs, at_points, taps = OPERATORS.convolve(*convolve_arguments(side, columns))
    torch.library.opcheck(OPERATORS.gradients, (torch.randn_like(outputs), at_points, taps, side, side))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch 2.13 warns of its own calls while it exports
def test_a_network_is_exported_while_gradients_are_on():
    channels = round(FILTERED_PAIRS**0.5)
    network = nn.Sequential(Convolution(channels, channels, pooled=True), nn.MaxPool2d(2), Convolution(channels, 65))
    batch = {0: torch.export.Dim("batch", min=2, max=64)}
    program = torch.export.export(network, (torch.randn(3, channels, 15, 15),), dynamic_shapes=(batch,))
    program = program.run_decompositions()
    assert sum(node.target is OPERATORS.convolve.default for node in program.graph.nodes) == 2
    maps = torch.randn(5, channels, 15, 15)
    assert torch.is_grad_enabled()
    assert torch.equal(program.module()(maps), network(maps))
