"""The flow of latent maps, and guidance by the label."""

import pytest
import torch

from trine.device import Device
from trine.generate.flow_training import FlowObjective, Posteriors
from trine.generate.map_flow import MapFlow
from trine.generate.recipe import GenerateRecipe
from trine.train.loop import TrainingLoop
from trine.train.run import Run

CPU = Device("cpu", bfloat16=False)
SHAPE = (1, 4, 4)
SPOTS = ((0, 0), (3, 3))
"""The place of each class's bright spot."""


def spots(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps of little noise with a bright spot in one corner or the other, and the index of each one's corner."""
    generator = torch.Generator().manual_seed(0)
    maps, corner = 0.1 * torch.randn(count, *SHAPE, generator=generator), torch.arange(count) % 2
    for index, (row, column) in enumerate(SPOTS):
        maps[corner == index, 0, row, column] += 3
    return maps.flatten(1), corner


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> MapFlow:
    """A flow that learned the spots; of one in four the class is unknown."""
    torch.manual_seed(0)
    latents, corner = spots(1000)
    corner[::8], corner[1::8] = 2, 2
    posteriors = Posteriors(latents, torch.full_like(latents, 1e-3), corner)
    objective = FlowObjective(
        MapFlow(16, channels=1, classes=2, width=64, convolved=8),
        GenerateRecipe(flow_steps=300),
        posteriors,
        posteriors,
        CPU,
    )
    TrainingLoop(objective, Run(tmp_path_factory.mktemp("flow"), "flow"), CPU).fit()
    return objective.network.requires_grad_(False).eval()


def sampled(flow: MapFlow, label: int | None, guidance: float = 1.0, count: int = 300) -> torch.Tensor:
    noise = torch.randn(count, 16, generator=torch.Generator().manual_seed(1))
    labels = None if label is None else torch.full((count,), label)
    return flow(noise, torch.zeros(count), labels, guidance).view(count, *SHAPE)


def test_the_class_says_where_the_spot_is(trained: MapFlow) -> None:
    for label, (row, column) in enumerate(SPOTS):
        assert float((sampled(trained, label)[:, 0, row, column] > 1.5).float().mean()) > 0.9


def test_without_a_class_both_places_have_spots_but_no_picture_has_two(trained: MapFlow) -> None:
    bright = torch.stack([sampled(trained, None)[:, 0, row, column] > 1.5 for row, column in SPOTS])
    assert 0.3 < float(bright[0].float().mean()) < 0.7
    assert float((bright.sum(0) == 1).float().mean()) > 0.85


def test_guidance_goes_from_any_class_beyond_the_class(trained: MapFlow) -> None:
    row, column = SPOTS[0]
    torch.testing.assert_close(sampled(trained, 0, guidance=0.0), sampled(trained, None))
    brightness = [float(sampled(trained, 0, guidance)[:, 0, row, column].mean()) for guidance in (0.0, 0.5, 1.0, 2.0)]
    assert brightness == sorted(brightness)
