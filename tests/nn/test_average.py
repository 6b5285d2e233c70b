import torch
from torch import nn

from trine.nn.average import EVERY, WeightAverage


def test_the_average_approaches_the_weights_and_forgets_its_start():
    model = nn.Linear(1, 1)
    average = WeightAverage(model, decay=0.99)
    start = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.fill_(start.item() + 10)
    gaps = []
    for step in range(100):
        average.update(model, step)
        gaps.append(float((average.model.weight - model.weight).detach().abs()))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] < 2
    assert gaps[-1] < 0.1


def test_updates_every_few_steps_decay_as_updates_in_every_step_would():
    model = nn.Linear(1, 1)
    average = WeightAverage(model, decay=0.9)
    gap = 8.0
    with torch.no_grad():
        average.model.weight.copy_(model.weight + gap)
    for step in range(100 * EVERY, 103 * EVERY):
        average.update(model, step)
        gap *= 0.9
    torch.testing.assert_close(average.model.weight, model.weight + gap)


def test_a_constant_model_is_its_own_average_and_buffers_are_copied():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = WeightAverage(model, decay=0.5)
    model(torch.randn(8, 2))
    for step in range(5):
        average.update(model, step)
    for name, value in model.state_dict().items():
        assert torch.equal(average.state()[name], value), name


def test_the_average_is_never_trained():
    assert not any(value.requires_grad for value in WeightAverage(nn.Linear(2, 2), 0.9).model.parameters())
