"""pythae as a peer: bench.generate.pythae and bench.generate.importance run this module in a separate environment.

usage: python -m bench.support.peer DATA.npz OUT --model vae|rae --network mlp|resnet|ours --minutes M --recipe FILE

- `mlp` is pythae's default network, `resnet` that of its benchmarks, `ours` the network of a plain recipe of Trine,
  split into pythae's encoder and decoder. All have the recipe's number of latents.
- Adam with a learning rate of 1e-3, ten times pythae's default, for short trainings; cross-entropy for the VAE.
- A model gets all of the minutes as processor time. The fit of its samplers is not counted: Gaussian mixture and
  two-stage for the VAE, Gaussian mixture for RAE-L2, with pythae's settings, on 20,000 pictures. The second stage
  gets a quarter of the minutes.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import RAE_L2, VAE, RAE_L2_Config, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.models.nn.benchmarks import cifar, mnist
from pythae.pipelines import TrainingPipeline
from pythae.samplers import GaussianMixtureSampler, NormalSampler, TwoStageVAESampler
from pythae.trainers import BaseTrainerConfig, CoupledOptimizerTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn

BATCH, RATE, SEED = 100, 1e-3, 0
SAMPLES, FITTED = 10_000, 20_000


class TimeIsUpError(Exception):
    pass


class Clock(TrainingCallback):
    """Ends a training after its processor time, which other work on the machine does not shorten."""

    def __init__(self, seconds: float) -> None:
        self.start, self.seconds, self.steps = processor_seconds(), seconds, 0

    def on_train_step_end(self, training_config: Any, **others: Any) -> None:
        self.steps += 1
        if processor_seconds() - self.start > self.seconds:
            raise TimeIsUpError


def processor_seconds() -> float:
    return time.process_time() / torch.get_num_threads()


class OurEncoder(BaseEncoder):
    """Encoder of Trine's plain network; pixels range from 0 to 1."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        del vae.levels, vae.out, vae.top.project

    def forward(self, x: Tensor) -> ModelOutput:
        posterior = self.vae.encode(2 * x - 1).top
        return ModelOutput(embedding=posterior.mean, log_covariance=posterior.log_variance)


class OurDecoder(BaseDecoder):
    """Decoder of Trine's plain network."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        del vae.stem, vae.down, vae.coarser, vae.top.posterior

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.vae.decode(len(z), given=[z], noise=[z]).outputs))


def our_halves(shape: tuple[int, ...], recipe: dict[str, Any]) -> tuple[BaseEncoder, BaseDecoder]:
    from trine.generate import network

    sizes = {"widths": tuple(recipe["widths"]), "depth": recipe["depth"], "latent": latents(shape, recipe)}
    return tuple(half(network.VAE(shape[0], shape[1], shape[0], **sizes)) for half in (OurEncoder, OurDecoder))


def latents(shape: tuple[int, ...], recipe: dict[str, Any]) -> int:
    from trine.generate.recipe import GenerateRecipe

    return GenerateRecipe(**recipe).latents(shape[0])


def build(model: str, network: str, shape: tuple[int, ...], recipe: dict[str, Any]) -> nn.Module:
    torch.manual_seed(SEED)
    latent = latents(shape, recipe)
    config = (
        VAEConfig(input_dim=shape, latent_dim=latent, reconstruction_loss="bce")
        if model == "vae"
        else RAE_L2_Config(input_dim=shape, latent_dim=latent)
    )
    encoder, decoder = None, None
    if network == "resnet":
        room, name = (mnist, "MNIST") if shape[0] == 1 else (cifar, "CIFAR")
        encoder = getattr(room, f"Encoder_ResNet_{'VAE' if model == 'vae' else 'AE'}_{name}")(config)
        decoder = getattr(room, f"Decoder_ResNet_AE_{name}")(config)
    if network == "ours":
        encoder, decoder = our_halves(shape, recipe)
    return (VAE if model == "vae" else RAE_L2)(model_config=config, encoder=encoder, decoder=decoder)


def train(model: nn.Module, kind: str, pictures: Tensor, seconds: float, out: Path) -> Clock:
    shared = {"output_dir": str(out / "pythae"), "per_device_train_batch_size": BATCH, "num_epochs": 10_000}
    config = (
        BaseTrainerConfig(**shared, learning_rate=RATE, keep_best_on_train=True)
        if kind == "vae"
        else CoupledOptimizerTrainerConfig(
            **shared, encoder_learning_rate=RATE, decoder_learning_rate=RATE, keep_best_on_train=True
        )
    )
    clock = Clock(seconds)
    try:
        TrainingPipeline(model=model, training_config=config)(
            BaseDataset(pictures, torch.zeros(len(pictures))), callbacks=[clock]
        )
    except TimeIsUpError:
        model.eval()
    return clock


def second_stage(model: nn.Module, pictures: Tensor, seconds: float, out: Path) -> TwoStageVAESampler:
    """Sampler with a second VAE, trained for these seconds rounded to whole epochs."""

    def fitted(epochs: int) -> tuple[TwoStageVAESampler, float]:
        torch.manual_seed(SEED)
        sampler = TwoStageVAESampler(model)
        config = BaseTrainerConfig(
            output_dir=str(out / "pythae"),
            per_device_train_batch_size=BATCH,
            num_epochs=epochs,
            learning_rate=RATE,
            keep_best_on_train=True,
        )
        start = processor_seconds()
        sampler.fit(pictures, training_config=config)
        return sampler, processor_seconds() - start

    sampler, duration = fitted(1)
    epochs = int(seconds / duration)
    return fitted(epochs)[0] if epochs > 1 else sampler


def run(options: argparse.Namespace) -> None:
    with np.load(options.data) as file:
        pictures = torch.from_numpy(file["images"]).permute(0, 3, 1, 2).float() / 255
    recipe = json.loads(options.recipe.read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    model = build(options.model, options.network, tuple(pictures.shape[1:]), recipe)
    clock = train(model, options.model, pictures, 60 * options.minutes, options.out)
    samplers = {"mixture": GaussianMixtureSampler(model)}
    samplers["mixture"].fit(pictures[:FITTED])
    if options.model == "vae":
        samplers["normal"] = NormalSampler(model)
        samplers["two-stage"] = second_stage(model, pictures[:FITTED], 15 * options.minutes, options.out)
    for name, sampler in samplers.items():
        torch.manual_seed(SEED)
        with torch.no_grad():
            drawn = sampler.sample(num_samples=SAMPLES, batch_size=500)
        made = (255 * drawn).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        np.save(options.out / f"{name}.npy", made.numpy())
    summary = {
        "steps": clock.steps,
        "epochs": round(clock.steps * BATCH / len(pictures), 2),
        "parameters": sum(value.numel() for value in model.parameters()),
        "samplers": sorted(samplers),
    }
    (options.out / "done.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=("vae", "rae"), required=True)
    parser.add_argument("--network", choices=("mlp", "resnet", "ours"), required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    run(parser.parse_args())
