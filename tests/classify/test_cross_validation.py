import numpy as np
import torch

from trine.classify.cross_validation import FOLDS, cross_validated, folds_of, spread
from trine.classify.recipe import ClassifyRecipe

RECIPE = ClassifyRecipe(network="pretrained")


def test_folds_spread_the_classes_evenly_and_keep_copies_together() -> None:
    labels = torch.arange(60) % 3
    groups = np.arange(60)
    groups[[10, 13, 16]] = 10
    folds = folds_of(labels, groups, seed=0)
    assert set(folds.tolist()) == set(range(FOLDS))
    assert len(set(folds[[10, 13, 16]].tolist())) == 1
    for label in range(3):
        assert torch.bincount(folds[labels == label], minlength=FOLDS).min() >= 2


def test_pictures_that_look_like_their_class_are_answered_right_by_a_layer_that_has_not_seen_them() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    centres, spread = torch.randn(3, 40, generator=generator), torch.randn(90, 40, generator=generator)
    features = 2 * centres[labels] + spread
    logits = cross_validated(features, labels, folds_of(labels, np.arange(90), 0), 3, RECIPE)
    assert float((logits.argmax(1) == labels).float().mean()) > 0.9


def test_labels_without_meaning_are_not_learned_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(150, 200, generator=generator), torch.randint(2, (150,), generator=generator)
    logits = cross_validated(features, labels, folds_of(labels, np.arange(150), 0), 2, RECIPE)
    assert 0.3 < float((logits.argmax(1) == labels).float().mean()) < 0.7


def test_spread_is_that_of_differences_between_classes() -> None:
    logits = torch.tensor([[1.0, -1.0], [7.0, 9.0]])
    assert float(spread(logits)) == 1
    assert float(spread(3 * logits)) == 3
