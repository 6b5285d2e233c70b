"""Pictures whose labels may be wrong, the surest first.

- For a training picture the evidence is its mean margin over the first part of the training (`LabelEvidence`): at
  its end a network has learned wrong labels, too.
- For any other picture it is the margin of the model's logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from trine.pictures.batches import labels_of
from trine.pictures.decode import as_channels
from trine.pictures.entries import TRAIN
from trine.pictures.picture_set import PictureSet, PictureSplit

if TYPE_CHECKING:
    from trine.classify.classifier import Classifier


@dataclass(frozen=True)
class DoubtfulLabel:
    """A picture that a network takes for another class than its label."""

    index: int
    """Its index in its split."""
    name: str
    """The file that it comes from, or the file and an index into it."""
    split: str
    label: str
    answer: str
    """The most probable class other than the label."""
    probability: float
    """That of the answer against the label, if one of the two is right; of a training picture, over the training."""


def margins_of(
    logits: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"]
) -> tuple[Float[Tensor, "n"], Int64[Tensor, "n"]]:
    """Logit of the label minus the largest other one, and the class of the latter."""
    other = logits.scatter(1, labels[:, None], -torch.inf).max(1)
    return logits.gather(1, labels[:, None]).squeeze(1) - other.values, other.indices


def doubtful_labels(
    split: PictureSplit,
    name: str,
    labels: Int64[Tensor, "n"],
    classes: Sequence[str],
    margins: Float[Tensor, "n"],
    answers: Int64[Tensor, "n"],
    most: int | None = None,
) -> list[DoubtfulLabel]:
    """The pictures of a split with a negative margin, the smallest first, `most` of them.

    labels    indices of `classes`
    answers   the most probable class other than the label
    """
    order = [int(index) for index in torch.argsort(margins, stable=True) if margins[index] < 0]
    return [
        DoubtfulLabel(
            index=index,
            name=str(split.names[index]),
            split=name,
            label=classes[int(labels[index])],
            answer=classes[int(answers[index])],
            probability=float(torch.sigmoid(-margins[index].double())),
        )
        for index in order[:most]
    ]


def check_labels(model: "Classifier", opened: PictureSet) -> list[DoubtfulLabel]:
    """Pictures of all labelled splits whose labels may be wrong, the surest first. Raises `DataError`.

    Of the data of the model's training, training pictures are judged by their margins over the training.
    """
    trained = opened.fingerprint == model.data.get("fingerprint")
    found: list[DoubtfulLabel] = []
    for name in (name for name in opened.splits if opened.is_labelled(name)):
        split = opened.splits[name]
        labels = model.own_labels(opened, split)
        margins, answers = margins_of(
            model.logits(as_channels(split.images, model.channels)) / model.temperature, labels
        )
        if trained and name == TRAIN and len(model.margins) == len(split):
            margins = torch.where(model.margins != 0, model.margins, margins)
        found += doubtful_labels(split, name, labels, model.classes, margins, answers)
    return sorted(found, key=lambda each: -each.probability)


def doubtful_in_training(
    model: "Classifier", split: PictureSplit, margins: Float[Tensor, "n"], most: int
) -> list[DoubtfulLabel]:
    """The training pictures with the smallest margins over the training; the model names their probable classes."""
    chosen = torch.argsort(margins, stable=True)[:most]
    labels = labels_of(split)
    answers = labels.clone()
    _, answers[chosen] = margins_of(model.logits(np.array(split.images[chosen.numpy()])), labels[chosen])
    return doubtful_labels(split, TRAIN, labels, model.classes, margins, answers, most)
