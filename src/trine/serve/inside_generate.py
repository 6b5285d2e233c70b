"""What only the full package says of a generator: the bound of each picture in nats."""

import numpy as np
import torch

from trine.generate.arguments import label_codes
from trine.generate.generator import Generator


@torch.inference_mode()
def bound_of_each(model: Generator, images: np.ndarray, label: str | None) -> tuple[list[float], list[float]]:
    """KL divergence of all latents of each picture, and −ln p of the picture given a sample of them; both in nats."""
    codes = label_codes(label, model.classes, len(images))
    labels = None if codes is None else torch.tensor(codes, device=model.device.name)
    generator = torch.Generator(model.device.name).manual_seed(0)
    observed = model.network.likelihood.observe(torch.from_numpy(images.copy()).to(model.device.name), generator)
    with model.device.autocast():
        decoded = model.network.vae(observed, labels, generator)
    kl = decoded.kl.double().sum(1)
    return kl.tolist(), (-model.network.log_prob(decoded, observed).double()).tolist()
