import pytest
import torch
from torch import nn

from trine.train.objective import ParameterGroup
from trine.train.parameter_groups import OPTIMISERS, GroupedOptimisers

OPTIONS = {"muon": {}, "sgd": {"momentum": 0.9}, "adamw": {}}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4, 1)).to(memory_format=torch.channels_last)


def optimisers(model, name, until=1.0):
    matrices = [value for value in model.parameters() if value.dim() > 1]
    return GroupedOptimisers(
        [ParameterGroup(name, matrices, 0.1, OPTIONS[name], until), ParameterGroup("sgd", [], 0.1)]
    )


def train(model, moved, steps):
    for step in steps:
        x = torch.randn(5, 2, 3, 3, generator=torch.Generator().manual_seed(step))
        model(x).square().mean().backward()
        moved.step(1.0, 0.0)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_state_taken_and_given_back_leads_to_the_same_weights(name):
    straight, part, resumed = network(), network(), network()
    train(straight, optimisers(straight, name), range(6))
    first, second = optimisers(part, name), optimisers(resumed, name)
    train(part, first, range(3))
    resumed.load_state_dict(part.state_dict())
    second.load_state({key: value.clone() for key, value in first.state().items()})
    train(resumed, second, range(3, 6))
    for mine, theirs in zip(resumed.parameters(), straight.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_rate_scales_and_zero_stands_still(name):
    model = network()
    moved = optimisers(model, name)
    moved.rate = 0.0
    before = model[2].weight.detach().clone()
    if name == "muon":
        before *= before.shape[0] ** 0.5 / before.norm()
    train(model, moved, range(2))
    assert torch.allclose(model[2].weight, before)


def test_a_group_stops_at_its_share_of_the_training(monkeypatch):
    model = network()
    moved = optimisers(model, "sgd", until=0.4)
    rates, still = [], []
    step = moved.optimisers[0].step
    monkeypatch.setattr(moved.optimisers[0], "step", lambda rate: (rates.append(rate), step(rate)))
    for progress in (0.0, 0.2, 0.4, 0.8):
        before = model[2].weight.detach().clone()
        model(torch.ones(2, 2, 3, 3)).square().mean().backward()
        moved.step(1.0, progress)
        still.append(torch.equal(before, model[2].weight))
    assert rates == pytest.approx([0.1, 0.05])
    assert still == [False, False, True, True]


def test_what_is_no_longer_trained_is_not_differentiated():
    model = network()
    moved = optimisers(model, "sgd", until=0.4)
    found = []
    for progress in (0.0, 0.5, 0.3):
        trained = moved.freeze(progress)
        model(torch.ones(2, 2, 3, 3)).square().mean().backward()
        found.append((trained, model[2].weight.grad is not None))
        model.zero_grad(set_to_none=True)
    assert found == [(1, True), (0, False), (1, True)]


def test_discarded_gradients_do_not_come_back():
    model = network()
    moved = optimisers(model, "adamw")
    (model(torch.ones(1, 2, 3, 3)) * torch.nan).sum().backward()
    moved.discard_gradients()
    train(model, moved, range(1))
    assert all(value.isfinite().all() for value in model.parameters() if value.dim() > 1)
