"""What is written about a generator: figures of its bound, warnings, a chart, the model card."""

import json
from typing import Any

from trine.drawing import figure, png
from trine.generate.bound import Bound
from trine.nn.likelihood import Likelihood, bits_per_dim

SILENT = 0.05
"""KL divergence in nats per picture below which a group carries no information."""


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


def draw_kl(kl_per_group: tuple[float, ...]) -> bytes:
    """A chart of the KL divergence per group, as a PNG."""
    drawn, axes = figure(height=2.6)
    axes.bar(range(1, len(kl_per_group) + 1), kl_per_group)
    axes.set(xlabel="group, top first", ylabel="KL, nats per picture", title="Information in each latent group")
    return png(drawn)


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
