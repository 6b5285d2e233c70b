import pytest
import torch
from torch import nn

from trine.device import choose
from trine.nn.operations import count_flops

IN_BFLOAT16 = pytest.mark.skipif(not choose("cpu").bfloat16, reason="this processor does not compute in bfloat16")


def forward_and_backward(network, inputs):
    def work():
        result = network(inputs)
        (result[0] if isinstance(result, tuple) else result).float().sum().backward()

    return count_flops(work)[1]


def test_a_linear_layer_costs_two_operations_per_weight_and_sample_and_twice_that_backward():
    inputs = torch.randn(7, 5, requires_grad=True)
    assert forward_and_backward(nn.Linear(5, 3), inputs) == 3 * (2 * 7 * 5 * 3)


def test_the_first_layer_needs_no_gradient_of_its_input():
    assert forward_and_backward(nn.Linear(5, 3), torch.randn(7, 5)) == 2 * (2 * 7 * 5 * 3)


def test_a_convolution_costs_two_operations_per_weight_and_output_pixel():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, stride=2))
    first, second = 2 * 8 * 3 * 9 * (2 * 9 * 9), 2 * 4 * 8 * 9 * (2 * 4 * 4)
    assert forward_and_backward(network, torch.randn(2, 3, 9, 9)) == 2 * first + 3 * second


def recurrent(gates, layers, directions, length=4, batch=3, inputs=5, hidden=8):
    widths = [inputs] + [hidden * directions] * (layers - 1)
    return sum(directions * 2 * length * batch * gates * hidden * (width + hidden) for width in widths)


@pytest.mark.parametrize("bfloat16", [False, pytest.param(True, marks=IN_BFLOAT16)])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (1, True), (2, True)])
def test_an_lstm_costs_two_operations_per_weight_and_event_in_each_layer_and_direction(layers, bidirectional, bfloat16):
    network = nn.LSTM(5, 8, layers, bidirectional=bidirectional, batch_first=True)
    inputs = torch.randn(3, 4, 5, requires_grad=True)
    forward = recurrent(4, layers, 1 + bidirectional)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        assert forward_and_backward(network, inputs) == 3 * forward
        with torch.no_grad():
            assert count_flops(lambda: network(inputs.detach()))[1] == forward


@pytest.mark.parametrize(("cell", "gates"), [(nn.GRU, 3), (nn.RNN, 1)])
def test_a_gru_and_an_rnn_are_counted_too(cell, gates):
    network, inputs = cell(5, 8, 2, bidirectional=True), torch.randn(4, 3, 5)
    assert count_flops(lambda: network(inputs))[1] == recurrent(gates, 2, 2)


def test_counting_changes_no_bit_of_the_result():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.Flatten(), nn.LazyLinear(2))
    inputs = torch.randn(4, 3, 8, 8)
    assert torch.equal(network(inputs), count_flops(lambda: network(inputs))[0])
