import numpy as np
import pytest
import torch

from trine.classify.look import look
from trine.classify.novelty import MOST_NOVEL, Novelty, Seen
from trine.classify.outliers import KINDS, outliers
from trine.classify.predictor import NOVEL


def seen(logits: torch.Tensor, seed: int = 0, strange: float = 0.0) -> Seen:
    """Logits, with features that follow them and a look that is `strange` deviations off."""
    generator = torch.Generator().manual_seed(seed + 50)
    features = torch.cat([logits, torch.randn(len(logits), 30, generator=generator)], 1)
    return Seen(torch.randn(len(logits), 12, generator=generator) + strange, features, logits)


def clusters(count: int, classes: int = 6, seed: int = 0, strange: float = 0.0) -> tuple[Seen, torch.Tensor]:
    """Pictures whose logits speak clearly for the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    return seen(
        8 * torch.eye(classes)[labels] + torch.randn(count, classes, generator=generator), seed, strange
    ), labels


def faint(count: int, classes: int = 6) -> Seen:
    """Pictures whose logits speak for nothing."""
    return seen(0.5 * torch.randn(count, classes, generator=torch.Generator().manual_seed(9)), 9)


def novelty(count: int = 2_000, held_out: int = 1_000) -> Novelty:
    return Novelty.fit(*clusters(count), clusters(held_out, seed=1)[0])


def test_p_values_are_uniform_on_held_out_pictures() -> None:
    p = novelty().p_value(clusters(1_000, seed=2)[0]).sort().values[:800]  # the most typical ones share a score
    assert float((p - torch.linspace(0, 1, 1_000)[:800]).abs().max()) < 0.08


def test_p_values_are_small_on_what_speaks_for_no_class() -> None:
    assert float(novelty().p_value(faint(100)).max()) < NOVEL


def test_a_strange_look_is_noticed_however_sure_the_network_is() -> None:
    sure = clusters(100, seed=3, strange=6.0)[0]
    bold = Seen(sure.look, sure.features, 3 * sure.logits)
    assert float(novelty().p_value(bold).max()) < NOVEL


def test_a_few_held_out_pictures_suffice_to_notice_what_is_far_away() -> None:
    few = novelty(60, 12)
    assert float(few.p_value(faint(20)).max()) < NOVEL
    assert float((few.p_value(clusters(200, seed=2)[0]) < NOVEL).float().mean()) < 0.1


def test_cross_fitted_novelty_marks_few_pictures_of_the_kind() -> None:
    known, labels = clusters(120)
    fitted = Novelty.cross_fitted(known, labels, torch.arange(120) // 6 % 5)
    assert len(fitted.reference) == 120
    assert float((fitted.p_value(clusters(500, seed=2)[0]) < fitted.unlike).float().mean()) <= 0.05
    assert float((fitted.p_value(faint(100)) < fitted.unlike).float().mean()) >= 0.95


def test_the_cut_is_raised_for_pictures_of_no_class_and_never_far() -> None:
    held_out = clusters(1_000, seed=1)[0]
    far, near = (
        Novelty.fit(*clusters(2_000), held_out, outliers=each) for each in (faint(50), clusters(50, seed=5)[0])
    )
    assert far.unlike == pytest.approx(NOVEL)
    assert near.unlike == pytest.approx(MOST_NOVEL)


@pytest.mark.parametrize(("pictures", "held_out"), [(2, 1), (4, 2), (30, 10)])
def test_more_classes_than_pictures_are_borne(pictures: int, held_out: int) -> None:
    fitted = Novelty.fit(*clusters(pictures, 40), clusters(held_out, 40, seed=1)[0])
    p = fitted.p_value(clusters(50, 40, seed=2)[0])
    assert bool(((p >= 0) & (p <= 1)).all())


def test_a_class_without_training_pictures_is_borne() -> None:
    known, labels = clusters(60)
    fitted = Novelty.fit(known.at(labels != 2), labels[labels != 2], known)
    assert bool(fitted.p_value(known).isfinite().all())


def test_what_novelty_keeps_gives_the_same_scores_after_a_bundle() -> None:
    fitted = Novelty.fit(*clusters(300, 3), clusters(100, 3, seed=1)[0], outliers=faint(10, 3))
    kept = {name: value.clone(memory_format=torch.contiguous_format) for name, value in fitted.state().items()}
    again = Novelty(**kept)
    assert torch.equal(again.score(faint(20, 3)), fitted.score(faint(20, 3)))
    assert again.unlike == fitted.unlike


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (50, 3)])
def test_pictures_of_no_class_have_the_shape_of_the_others_and_are_all_different(side: int, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, side, side, channels), dtype=np.uint8)
    made = outliers(images, 4)
    assert made.shape == (4 * (len(KINDS) + 1), side, side, channels)
    assert made.dtype == np.uint8
    assert len(np.unique(made.reshape(len(made), -1), axis=0)) >= 0.8 * len(made)


def test_looks_tell_noise_checkerboards_and_flat_pictures_apart() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, 16, 1))
    board = 255 * (np.add(*np.mgrid[:16, :16]) % 2)[..., None]
    flat = np.full((16, 16, 1), 128)
    looks = look(torch.from_numpy(np.stack([noise, board, flat]).astype(np.uint8)))
    assert bool(looks.isfinite().all())
    assert float(torch.cdist(looks, looks)[~torch.eye(3, dtype=torch.bool)].min()) > 1
