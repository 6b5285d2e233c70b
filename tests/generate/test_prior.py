import pytest
import torch
from torch import Tensor

from trine.generate.prior import MIDWAY, FlowPrior, MixturePrior, NormalPrior, flow_cost
from trine.generate.recipe import GenerateRecipe

DEVIATION = 0.1


def two_heaps(count: int) -> tuple[Tensor, Tensor]:
    """Latents around (2, 0, 0) and (−2, 0, 0), and which of the two each is of."""
    generator = torch.Generator().manual_seed(0)
    side = torch.randint(0, 2, (count,), generator=generator)
    centre = torch.stack([4.0 * side - 2, torch.zeros(count), torch.zeros(count)], 1)
    return centre + DEVIATION * torch.randn(count, 3, generator=generator), side


def noise(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, generator=generator), torch.rand(count, generator=generator)


@pytest.fixture(scope="module")
def mixture() -> MixturePrior:
    prior = MixturePrior(2, 3)
    prior.fit(two_heaps(1000)[0], seed=0)
    return prior


def fitted_flow(labelled: bool) -> FlowPrior:
    torch.manual_seed(0)
    latents, side = two_heaps(1000)
    prior = FlowPrior(3, classes=2 if labelled else 0, width=64)
    side[::4] = 2
    prior.fit(latents, torch.full_like(latents, 1e-3), side if labelled else None, GenerateRecipe(flow_steps=1200))
    return prior.requires_grad_(False)


@pytest.fixture(scope="module")
def flow() -> FlowPrior:
    """Fitted to the heaps as they are."""
    return fitted_flow(labelled=False)


@pytest.fixture(scope="module")
def labelled_flow() -> FlowPrior:
    """Told of three in four which is which."""
    return fitted_flow(labelled=True)


def test_the_models_own_prior_is_the_noise_itself() -> None:
    values, chance = noise(5)
    assert torch.equal(NormalPrior()(values, chance, None), values)


def test_a_mixture_finds_the_heaps_and_their_width(mixture: MixturePrior) -> None:
    made = mixture(*noise(2000), None)
    assert float(made[:, 0].abs().mean()) == pytest.approx(2, abs=0.05)
    assert float((made[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(made[:, 1].std()) == pytest.approx(DEVIATION, rel=0.1)


def test_a_flow_takes_noise_to_the_heaps(flow: FlowPrior) -> None:
    made = flow(*noise(2000), None)
    near = (made[:, 0].abs() - 2).abs() < 5 * DEVIATION
    assert float(near.float().mean()) > 0.8
    assert float((made[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_a_label_takes_the_flow_to_its_heap(labelled_flow: FlowPrior) -> None:
    values, chance = noise(200)
    for label, sign in ((0, -1.0), (1, 1.0)):
        made = labelled_flow(values, chance, torch.full((200,), label))
        assert float((made[:, 0] * sign > 0).float().mean()) > 0.97


def test_a_flow_is_invertible_its_way_back_leads_to_the_noise(flow: FlowPrior) -> None:
    """Different noise never ends at one latent: the ordinary differential equation runs backwards too."""
    values, chance = noise(50)
    at = (flow(values, chance, None) - flow.mean) / flow.deviation
    steps = 200
    for step in range(steps, 0, -1):
        middle = at - flow.velocity(at, torch.full((50,), step / steps), None) / (2 * steps)
        at = at - flow.velocity(middle, torch.full((50,), (step - 0.5) / steps), None) / steps
    assert float((at - values).abs().median()) < 0.1


@pytest.mark.parametrize("kind", ["mixture", "flow"])
def test_the_same_noise_gives_the_same_latents(kind: str, request: pytest.FixtureRequest) -> None:
    prior = request.getfixturevalue(kind)
    assert torch.equal(prior(*noise(9), None), prior(*noise(9), None))


def test_the_cost_of_a_flow_grows_with_its_steps() -> None:
    seconds, flops = flow_cost(4, 0, GenerateRecipe(flow_steps=10))
    assert seconds > 0
    assert flow_cost(4, 0, GenerateRecipe(flow_steps=100))[1] == pytest.approx(10 * flops)


def test_a_flow_is_not_asked_about_moments_that_it_did_not_learn(flow: FlowPrior, monkeypatch) -> None:
    asked, velocity = [], flow.velocity
    monkeypatch.setattr(
        flow, "velocity", lambda at, time, labels: asked.append(float(time[0])) or velocity(at, time, labels)
    )
    flow(*noise(4), None)
    share = torch.sigmoid(MIDWAY * torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    assert float((share < min(asked)).float().mean()) > 1e-3
    assert float((share > max(asked)).float().mean()) > 1e-3
