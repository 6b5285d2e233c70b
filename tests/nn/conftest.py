"""Likelihoods compared with references of torch."""

from collections.abc import Callable

import torch

from trine.nn.likelihood import Likelihood


def every_level() -> torch.Tensor:
    """Pictures of one grey pixel, one per level."""
    return torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)


def probabilities(likelihood: Likelihood, outputs: torch.Tensor) -> torch.Tensor:
    """The probability of each level of one grey pixel."""
    observed = likelihood.eval().observe(every_level())
    return likelihood.log_prob(outputs.expand(256, -1, 1, 1), observed).exp()


def mass_in_bins(cdf: Callable[[torch.Tensor], torch.Tensor], levels: torch.Tensor) -> torch.Tensor:
    """Mass of a distribution in the bin of each level; the outermost bins have no outer edge."""
    begin, end = levels / 127.5 - 1 - 1 / 255, levels / 127.5 - 1 + 1 / 255
    return torch.where(levels == 255, 1.0, cdf(end)) - torch.where(levels == 0, 0.0, cdf(begin))


def check_against_reference(
    likelihood: Likelihood,
    reference: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    spread: float,
    channels: int,
) -> None:
    """Log probabilities and gradients agree with a reference in double precision, at every level."""
    generator = torch.Generator().manual_seed(channels)
    levels = torch.randint(0, 256, (channels, 400), generator=generator)
    levels[:, :20], levels[:, 20:40] = 0, 255
    outputs = spread * torch.randn(likelihood.outputs, 400, generator=generator)
    single, double = outputs.clone().requires_grad_(), outputs.double().requires_grad_()
    log_prob = likelihood.eval().pixel_log_prob(single, levels / 127.5 - 1)
    expected = reference(double, levels.double())
    torch.testing.assert_close(log_prob.double(), expected, rtol=1e-4, atol=1e-4)
    weights = torch.linspace(0.5, 1.5, 400)
    gradients = [torch.autograd.grad((a * weights).sum(), b)[0] for a, b in ((log_prob, single), (expected, double))]
    torch.testing.assert_close(gradients[0].double(), gradients[1], rtol=1e-3, atol=1e-3)
