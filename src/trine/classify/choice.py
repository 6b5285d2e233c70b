"""`network=auto`: which network suits a set of pictures.

- Sizes and numbers of pictures decide where one network is known to win: ImageNet features for few colour pictures,
  a network trained from the start for many small ones, and for the named sets, whose presets are tuned for it.
- Elsewhere both are tried for a short time on a part of the training pictures, and measured on the rest of that part.
"""

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from trine.classify.cross_validation import trained_heads
from trine.classify.network import FastNet
from trine.classify.objective import ClassifyObjective
from trine.classify.prediction import predict_logits
from trine.classify.pretrained import PretrainedNet
from trine.classify.recipe import ClassifyRecipe
from trine.device import Device
from trine.nn.efficientnet import CHUNK, NATIVE, installed
from trine.pictures.batches import evenly, labels_of
from trine.pictures.groups import copies
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.pictures.splits import grouped_cut
from trine.train.budget import Budget
from trine.train.step import Stepper

SMALL = 32
"""Side of pictures, in pixels, up to which they are small and from which ImageNet features tell them apart well."""
FEW, MANY = 200, 2_000
"""Pictures per class up to which colour pictures are few, and from which small ones are many."""
MANY_GREY = 300
"""The same for small grey pictures: digits and letters take few pictures."""
TRIED, HELD_OUT = 300, 1 / 3
"""Training pictures of a trial, and the share of them that both networks are measured on."""
FEATURE_SHARE, FAST_SHARE = 0.07, 0.06
"""Shares of a budget for trying the pretrained and the fast network."""
FAST_STEPS, FIRST_STEPS = 150, 3
"""Steps of the fast network in a trial, and steps after which a budget plans the rest."""
LEAST_TRIED = 4
"""Pictures per class of which the features must be known, or the trial says nothing."""


@dataclass(frozen=True)
class Choice:
    """A network, and why it was chosen."""

    network: str
    why: str


def choose_network(
    pictures: PictureSet, recipe: ClassifyRecipe, device: Device, named: bool, budget: Budget | None
) -> Choice:
    """The network for these pictures.

    A trial takes a small share of the budget, or without a budget a fixed number of steps and pictures.

    named   whether it is a named set
    """
    if own := recipe.network_by_hand:
        return Choice(*own)
    if named:
        return Choice("fast", "the presets are tuned for it on the named sets")
    if not installed():
        return Choice("fast", "for few pictures, pretrained is better: run pip install 'trine[pretrained]'")
    count, classes, size = len(pictures.splits["train"]), len(pictures.classes), pictures.size[0]
    each, grey = count / classes, pictures.channels == 1
    if not grey and size >= SMALL and each <= FEW:
        return Choice("pretrained", f"{each:.0f} pictures per class are few for a network that starts from nothing")
    if size <= SMALL and each >= (MANY_GREY if grey else MANY):
        return Choice("fast", f"{each:,.0f} small pictures per class are enough to learn from")
    return _tried(pictures, recipe, device, budget, "fast" if grey and size <= SMALL else "pretrained")


def _tried(
    pictures: PictureSet, recipe: ClassifyRecipe, device: Device, budget: Budget | None, expected: str
) -> Choice:
    """The better network in a trial; the expected one unless the other is better by more than chance."""
    part = _part(pictures, recipe.seed)
    seconds = budget.seconds if budget else math.inf
    pretrained, measured = _try_pretrained(part, recipe, device.alone, FEATURE_SHARE * seconds)
    if not measured.any():
        return Choice(expected, "there is no time to try both networks")
    fast = _try_fast(part, recipe, device.alone, FAST_SHARE * seconds)[measured]
    right = {"fast": int(fast.sum()), "pretrained": int(pretrained.sum())}
    other = "pretrained" if expected == "fast" else "fast"
    disagreements = int((fast != pretrained).sum())
    chosen = other if right[other] - right[expected] > math.sqrt(disagreements) else expected
    of = int(measured.sum())
    rivals = ", ".join(f"{name} {count}" for name, count in right.items())
    return Choice(chosen, f"right on {of} held-out pictures after a short trial: {rivals}; {expected} was expected")


def _part(pictures: PictureSet, seed: int) -> PictureSet:
    """An even sample of the training pictures, a part of them held out; copies stay on one side."""
    train = pictures.splits["train"]
    chosen = evenly(len(train), TRIED)
    images, labels = np.array(train.images[chosen]), labels_of(train).numpy()[chosen]
    names = [train.names[int(index)] for index in chosen]
    stay, cut = grouped_cut(labels, copies(images.copy(), labels, names), HELD_OUT, seed)

    def split(at: np.ndarray) -> PictureSplit:
        return PictureSplit(images[at], labels[at], [names[int(index)] for index in at], at)

    return replace(pictures, splits={"train": split(stay), "validation": split(cut)})


def _try_pretrained(
    part: PictureSet, recipe: ClassifyRecipe, device: Device, seconds: float
) -> tuple[Bool[np.ndarray, "m"], Bool[np.ndarray, "n"]]:
    """Which held-out pictures a last layer on ImageNet features gets right, and which were looked at in the time."""
    begin, train, held = time.perf_counter(), part.splits["train"], part.splits["validation"]
    network = PretrainedNet(part.channels, min(NATIVE, part.size[0]), len(part.classes))
    network.prepare(torch.from_numpy(train.images[:1]))
    network.to(device.name).eval()
    images = np.concatenate([train.images, held.images])
    labels = np.concatenate([labels_of(train).numpy(), labels_of(held).numpy()])
    order = np.random.default_rng(recipe.seed).permutation(len(images))
    features: list[Tensor] = []
    for start in range(0, len(order), CHUNK):
        if time.perf_counter() - begin > seconds:
            break
        features.append(_features(network, images[order[start : start + CHUNK]], device))
    known = order[: sum(map(len, features))]
    learned, asked = known < len(train), known >= len(train)
    measured = np.zeros(len(held), dtype=bool)
    if not asked.any() or learned.sum() < LEAST_TRIED * len(part.classes):
        return measured[:0], measured
    table, answers = torch.cat(features), torch.from_numpy(labels[known])
    (head,) = trained_heads(table, answers, [torch.from_numpy(np.flatnonzero(learned))], len(part.classes), recipe)
    with torch.inference_mode():
        right = (head(table[asked]).argmax(1) == answers[asked]).numpy()
    places = known[asked] - len(train)
    measured[places] = True
    return right[np.argsort(places)], measured


@torch.inference_mode()
def _features(network: PretrainedNet, images: UInt8[np.ndarray, "n height width channels"], device: Device) -> Tensor:
    with device.autocast():
        return network.features(torch.from_numpy(images).to(device.name)).float().cpu()


def _try_fast(part: PictureSet, recipe: ClassifyRecipe, device: Device, seconds: float) -> Bool[np.ndarray, "n"]:
    """Which held-out pictures the fast network gets right after a training of this time."""
    begin, held = time.perf_counter(), part.splits["validation"]
    short = recipe.changed(network="fast", least_steps=FAST_STEPS, epochs=0.01)
    torch.manual_seed(recipe.seed)
    network = FastNet(
        part.channels, part.size[0], len(part.classes), short.widths, depth=short.depth, stride=short.stem_stride
    )
    network.prepare(torch.from_numpy(part.splits["train"].images))
    stepper = Stepper(ClassifyObjective(network, short, part, device), device)
    clock, started = stepper.clock, time.perf_counter()
    while not clock.done:
        stepper.take(clock.step)
        clock.step += 1
        left = seconds - (time.perf_counter() - begin)
        if left <= 0:
            break
        if not clock.done and math.isfinite(seconds) and clock.step >= FIRST_STEPS:
            pace = (time.perf_counter() - started) / clock.step
            clock.refit(min(FAST_STEPS, clock.step + int(left / pace)))
    logits = predict_logits(network.eval(), held.images, device)
    return (logits.argmax(1) == labels_of(held)).numpy()
