import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trine.device import Device
from trine.generate.flow_training import FlowObjective, Posteriors
from trine.generate.generator import Generator
from trine.generate.prior import FlowPrior
from trine.generate.recipe import GenerateRecipe
from trine.train.loop import TrainingLoop
from trine.train.run import Run

SHORT = {
    "widths": (8, 16),
    "latent": 6,
    "least_steps": 150,
    "learning_rate": 5e-3,
    "ema_decay": 0.9,
    "epochs": 1.0,
    "batch_size": 16,
    "validations": 1,
    "flow_steps": 20,
    "mixture_components": 2,
}
"""Settings of a training that takes a few seconds and learns something."""
BRIEF = {**SHORT, "least_steps": 8, "flow_steps": 5}
"""Settings of a training that takes a second and learns nothing."""
CLUSTER_DEVIATION = 0.1
"""Standard deviation of each of the two clusters of latents."""


def dots(count: int, size: int = 12, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Bright discs at random positions on a dark background; with three channels, in random colours."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    centres = rng.uniform(size * 0.3, size * 0.7, (count, 2, 1, 1))
    inside = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2 < (size / 4) ** 2
    colours = rng.integers(150, 256, (count, 1, 1, channels))
    return np.where(inside[..., None], colours, rng.integers(0, 40, (count, size, size, channels))).astype(np.uint8)


def write_dots(folder: Path, images: np.ndarray, classes: tuple[str, ...] = ()) -> Path:
    """Write pictures as files, with classes in turn into the folder of each class."""
    for number, image in enumerate(images):
        path = folder / (classes[number % len(classes)] if classes else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
    return folder


def wait_for_step(process, run: Path, stage: str, step: int) -> None:
    """Wait until a process has recorded this step of a stage of its training."""
    metrics, deadline = Run(run, stage).metrics, time.monotonic() + 120
    while not (metrics.exists() and metrics.read_bytes().count(b'"seconds"') >= step):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def two_clusters(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents around (−2, 0, 0) and (2, 0, 0), and the index of each one's cluster."""
    generator = torch.Generator().manual_seed(0)
    cluster = torch.randint(0, 2, (count,), generator=generator)
    centre = torch.stack([4.0 * cluster - 2, torch.zeros(count), torch.zeros(count)], 1)
    return centre + CLUSTER_DEVIATION * torch.randn(count, 3, generator=generator), cluster


def latent_noise(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The arguments of a prior: N(0, I) noise for three units, and uniform numbers."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, generator=generator), torch.rand(count, generator=generator)


def flow_objective(labelled: bool = False, **settings: object) -> FlowObjective:
    """A flow that learns the two clusters; with labels, three quarters of the latents have theirs."""
    torch.manual_seed(0)
    latents, cluster = two_clusters(1000)
    cluster[::4] = 2
    posteriors = Posteriors(latents, torch.full_like(latents, 1e-3), cluster if labelled else None)
    flow = FlowPrior(3, classes=2 if labelled else 0, width=64)
    recipe = GenerateRecipe(**{"flow_steps": 600, **settings})
    return FlowObjective(flow, recipe, posteriors, posteriors, Device("cpu", bfloat16=False))


def trained_flow(folder: Path, labelled: bool = False) -> FlowPrior:
    """The flow that the training loop makes of `flow_objective`."""
    objective = flow_objective(labelled)
    TrainingLoop(objective, Run(folder, "flow"), objective.device).fit()
    return objective.network.requires_grad_(False)


@pytest.fixture(scope="session")
def flow(tmp_path_factory: pytest.TempPathFactory) -> FlowPrior:
    """A flow trained on the two clusters, without labels."""
    return trained_flow(tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 grey pictures of 12×12 pixels in two classes."""
    return write_dots(tmp_path_factory.mktemp("dots") / "dots", dots(80), ("left", "right"))


@pytest.fixture(scope="session")
def fitted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A plain model with labels."""
    return Generator(**SHORT, label=True).fit(folder, out=tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="session")
def mapped(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A model with one latent map and labels."""
    settings = {**SHORT, "network": "map", "map_latent": 2, "map_flow_width": 32, "label": True}
    return Generator(**settings).fit(folder, out=tmp_path_factory.mktemp("map") / "run")


@pytest.fixture(scope="session")
def deep(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A model with latent maps at two resolutions, without labels."""
    settings = {**SHORT, "network": "deep", "groups": (1, 2), "map_latent": 2}
    return Generator(**settings).fit(folder, out=tmp_path_factory.mktemp("deep") / "run")
