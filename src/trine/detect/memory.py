"""How far back a recurrent network remembers: the gradient of the surprisal at one event by earlier inputs.

In a plain recurrent layer the gradient shrinks (or grows) by about the same factor at every step back: it vanishes or
explodes (Bengio et al., 1994). Gates keep it alive.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from trine.detect.network import BEGIN, EventNet
from trine.detect.surprisal import Encoded
from trine.detect.vocabulary import EVENT
from trine.drawing import figure, png

REACH = 100
"""Events looked back."""
SEQUENCES = 32
"""Sequences the mean is taken over."""


def reach(model: EventNet, table: Encoded, reach: int = REACH) -> Float64[np.ndarray, "lags"]:
    """Mean norm of ∂ surprisal(t) / ∂ input(t − k) for k = 1 … `reach`, over the longest sequences.

    Raises `ValueError` when no sequence is longer than `reach`.
    """
    long = [codes for codes in table.codes if len(codes) > reach]
    if not long:
        raise ValueError(f"no sequence is longer than {reach} events")
    chosen = np.stack([codes[: reach + 1] for codes in sorted(long, key=len, reverse=True)[:SEQUENCES]])
    events = torch.from_numpy(np.pad(chosen, ((0, 0), (1, 0)), constant_values=BEGIN))
    model.eval()
    columns = {name: events[:, :-1] if name == EVENT else torch.ones_like(events[:, :-1]) for name in model.columns}
    embedded = model.embed(columns).detach().requires_grad_(True)
    logits = model.predict(model.recur(embedded)[0])[EVENT]
    last = torch.nn.functional.cross_entropy(logits[:, -1], events[:, -1], reduction="sum")
    (gradient,) = torch.autograd.grad(last, embedded)
    norms: Tensor = gradient.norm(dim=-1).mean(0).flip(0)[:reach]
    return norms.double().numpy()


def draw_reach(curves: Mapping[str, Sequence[float]]) -> bytes:
    """The reach of several cells side by side, on a logarithmic axis."""
    drawn, axes = figure(width=6, height=3.6)
    for name, norms in curves.items():
        axes.plot(np.arange(1, len(norms) + 1), np.maximum(norms, 1e-12), label=name)
    axes.set(
        yscale="log", xlabel="events back", ylabel="norm of the gradient", title="how far back the networks remember"
    )
    axes.legend(frameon=False)
    return png(drawn)
