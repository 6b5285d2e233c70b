"""What is written about a generator: figures of its bound, warnings, a chart, the model card."""

import json
import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from trine.drawing import SMALL, figure, png, styled
from trine.generate.bound import Bound
from trine.nn.likelihood import Likelihood, bits_per_dim

SILENT = 0.05
"""KL divergence in nats per picture below which a group carries no information."""
NUMBERS_NAMED, GROUPS_NAMED = 24, 12
"""Largest numbers of latent numbers and of groups that a chart names; of more, some."""
LEAST = 1e-5
"""Smallest KL divergence on a logarithmic axis, in nats."""


def metrics(bound: Bound, likelihood: Likelihood, name: str, dimensions: int) -> dict[str, Any]:
    """Figures of a result; nats are negative log likelihoods per picture.

    name         name of the likelihood in the recipe
    dimensions   number of channels times pixels
    """
    figures: dict[str, Any] = {
        "elbo_nats": bound.nats,
        "reconstruction_nats": bound.reconstruction,
        "kl_nats": bound.kl,
        "kl_per_group": list(bound.kl_per_group),
        "active_units": bound.active_units,
        "units": bound.units,
        "collapsed": bound.collapsed,
        "likelihood": name,
    }
    if likelihood.discrete:
        return {**figures, "bits_per_dim": bits_per_dim(bound.nats, dimensions)}
    return {**figures, "binarisation": "dynamic"}


def remarks(bound: Bound) -> list[str]:
    """Warnings about latents that carry no information."""
    if bound.collapsed:
        return [
            f"posterior collapse: the latents carry {bound.kl:.2g} nats per picture, {bound.active_units:,} of "
            f"{bound.units:,} units are active: train longer, or with --set kl_warmup=0.5"
        ]
    silent = [str(index + 1) for index, kl in enumerate(bound.kl_per_group) if kl < SILENT]
    return [f"latent groups {', '.join(silent)} carry no information about a picture"] if silent else []


@styled
def draw_kl(bound: Bound) -> bytes:
    """A chart of the KL divergence per latent number, sorted, and of several groups per group, as a PNG."""
    if len(bound.kl_per_group) == 1:
        drawn, axes = figure(width=9, height=4.6)
        _draw_numbers(axes, bound.kl_per_unit[0], bound.active[0])
        return png(drawn)
    drawn, (left, right) = figure(1, 2, width=11, height=4.8)
    groups = np.arange(1, len(bound.kl_per_group) + 1)
    left.bar(groups, bound.kl_per_group, color=[f"C{index % 10}" for index in range(len(groups))])
    left.set_xticks(groups[:: max(1, math.ceil(len(groups) / GROUPS_NAMED))])
    left.set(xlabel="latent group, top first", ylabel="KL, nats per picture", title="information per group")
    for index, (kl, active) in enumerate(zip(bound.kl_per_unit, bound.active, strict=True)):
        name = f"group {index + 1}: {active.sum():,} of {len(kl):,} active"
        right.plot(np.arange(1, len(kl) + 1), np.sort(kl)[::-1].clip(LEAST), color=f"C{index % 10}", label=name)
    right.set(xscale="log", yscale="log", xlabel="latent numbers of the group, most first", ylabel="KL, nats")
    right.set_title("information per latent number")
    if len(groups) <= GROUPS_NAMED:
        right.legend(fontsize=SMALL)
    return png(drawn)


def _draw_numbers(axes: Any, kl: Float64[np.ndarray, "units"], active: Bool[np.ndarray, "units"]) -> None:
    """A bar per number of one group, most information first; below it its index, as `traverse` names it."""
    order = np.argsort(-kl, kind="stable")
    places = np.arange(len(kl))
    axes.bar(places, kl[order], color=np.where(active[order], "tab:blue", "tab:red"), label=f"active: {active.sum():,}")
    silent = places[~active[order]]
    if len(silent):  # their bars have hardly any height
        axes.plot(silent, np.zeros(len(silent)), "x", color="tab:red", clip_on=False, label=f"not: {len(silent):,}")
    step = math.ceil(len(kl) / NUMBERS_NAMED)
    axes.set_xticks(places[::step], [str(unit) for unit in order[::step]])
    axes.set(xlabel="latent number, most information first", ylabel="KL, nats per picture")
    axes.set_title(f"information in each latent number: {kl.sum():.1f} nats per picture together")
    axes.legend()


def model_card(figures: dict[str, Any], data: dict[str, Any], recipe: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    measured = json.dumps(figures.get("metrics", {}), indent=2)
    return f"""---
library_name: trine
pipeline_tag: unconditional-image-generation
tags: [variational-autoencoder]
---
# Generator of pictures like {data.get("name", "its training pictures")}

A variational autoencoder ({recipe["network"]}, {recipe["likelihood"]} likelihood), trained by Trine.

- Sample: `trine generate sample MODEL -n 64 --out grid.png`
- Data: {data.get("name")}, fingerprint `{str(data.get("fingerprint"))[:16]}`
- Nats are negative log likelihoods per picture: lower is better. The bound uses the model's own prior N(0, I).
- Its pictures resemble the training pictures and can be near copies of single ones: check before publishing.

```json
{measured}
```
"""
