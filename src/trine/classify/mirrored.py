"""Classes that are mirror images of one another, as arrows to the left and to the right, or the letters b and d.

Mirroring pictures in the training would make such classes one. Before the training a small network learns some of the
pictures without mirroring, and then answers mirrored ones: it takes them for the other class.
"""

import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Int64, UInt8
from torch import Tensor

from trine.classify.network import FastNet
from trine.classify.objective import ClassifyObjective, pieces
from trine.classify.prediction import predict_logits
from trine.classify.recipe import ClassifyRecipe
from trine.device import Device
from trine.pictures.batches import labels_of
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.train.step import Stepper

PICTURES, ANSWERED = 1_000, 400
"""Pictures that the network learns, and other ones that it answers, mirrored and not: the same number of each class."""
SIDE = 32
"""Largest side of the pictures for it, in pixels."""
STEPS = 100
"""Training steps of the network."""
LEAST = 6
"""Pictures of the two classes that must be taken for the other one when mirrored."""
SHARE = 0.05
"""Largest share of a budget that is spent on it."""


def mirrored_classes(
    pictures: PictureSet, seed: int, device: Device, seconds: float | None = None
) -> list[tuple[str, str]]:
    """Pairs of classes of the training pictures, each the mirror image of the other.

    seconds   after which the network learns no more: a pair that it cannot tell apart by then is not found
    """
    train = pictures.splits["train"]
    order = _even_order(labels_of(train), PICTURES + ANSWERED, seed)
    answered = max(1, len(order) * ANSWERED // (PICTURES + ANSWERED))
    with torch.random.fork_rng(devices=[]):
        network = _trained(pictures, train, order[answered:], seed, device, seconds)
    images, labels = _small(train, order[:answered]), labels_of(train)[order[:answered]]
    plain = predict_logits(network, images, device).argmax(1)
    turned = predict_logits(network, np.ascontiguousarray(images[:, :, ::-1]), device).argmax(1)
    return [(pictures.classes[a], pictures.classes[b]) for a, b in _swapped(labels, plain, turned)]


def _swapped(
    labels: Int64[Tensor, "n"], plain: Int64[Tensor, "n"], turned: Int64[Tensor, "n"]
) -> list[tuple[int, int]]:
    """Pairs of classes that mirroring exchanges: most of their pictures are recognised, and taken for the other when
    mirrored.
    """
    known = labels.unique().tolist()  # type: ignore[no-untyped-call]

    def often(answers: Tensor, truth: int, answer: int) -> int:
        return int(((labels == truth) & (answers == answer)).sum())

    def exchanged(one: int, other: int) -> bool:
        seen, moved = often(plain, one, one), often(turned, one, other)
        return seen > 2 * often(plain, one, other) and moved > 2 * often(turned, one, one)

    def enough(one: int, other: int) -> bool:
        return often(turned, one, other) + often(turned, other, one) >= LEAST

    pairs = [(a, b) for a in known for b in known if a < b]
    return [(a, b) for a, b in pairs if enough(a, b) and exchanged(a, b) and exchanged(b, a)]


def _trained(
    pictures: PictureSet,
    train: PictureSplit,
    chosen: Int64[Tensor, "n"],
    seed: int,
    device: Device,
    seconds: float | None,
) -> FastNet:
    """A small network that has learned the chosen pictures, as far as there was time."""
    images = _small(train, chosen)
    part = PictureSplit(images, np.asarray(labels_of(train)[chosen]), [""] * len(images), np.arange(len(images)))
    small = PictureSet(pictures.name, "", pictures.classes, {"train": part, "validation": part}, ())
    recipe = ClassifyRecipe(
        widths=(16, 32, 32), depth=1, epochs=1.0, batch_size=64, least_steps=STEPS, seed=seed, flip="none"
    )
    torch.manual_seed(seed)
    side = images.shape[1]
    network = FastNet(pictures.channels, side, len(pictures.classes), widths=recipe.widths, depth=1)
    network.prepare(torch.from_numpy(images))
    step, begin = Stepper(ClassifyObjective(network, recipe, small, device), device), time.perf_counter()
    while not step.clock.done:
        step.take(step.clock.step)
        step.clock.step += 1
        if seconds is not None and time.perf_counter() - begin > seconds:
            break
    return network.eval()


def _even_order(labels: Int64[Tensor, "n"], most: int, seed: int) -> Int64[Tensor, "chosen"]:
    """Indices of so many pictures, in random order, class by class in turn: any part of them has as many of each."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    rounds = torch.zeros(len(labels), dtype=torch.int64)
    for label in labels.unique().tolist():  # type: ignore[no-untyped-call]
        mine = order[labels[order] == label]
        rounds[mine] = torch.arange(len(mine))
    return order[torch.argsort(rounds[order], stable=True)][:most]


def _small(split: PictureSplit, chosen: Int64[Tensor, "n"]) -> UInt8[np.ndarray, "n height width channels"]:
    """These pictures, none larger than `SIDE` pixels."""
    return np.concatenate([_scaled(part) for part in pieces(split.images, chosen.numpy())])


def _scaled(
    images: UInt8[np.ndarray, "n height width channels"],
) -> UInt8[np.ndarray, "n rows columns channels"]:
    if images.shape[1] <= SIDE:
        return images
    scaled = F.interpolate(torch.from_numpy(images).permute(0, 3, 1, 2).float(), (SIDE, SIDE), mode="area")
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).round().to(torch.uint8).numpy())
