import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.classify import augment


def pictures(count: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8)


def all_shifts(image: np.ndarray, shift: int) -> dict[tuple[int, int], np.ndarray]:
    """Every crop of the picture mirrored at its edges: slow, and plain."""
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
    height, width = image.shape[:2]
    places = [(y, x) for y in range(2 * shift + 1) for x in range(2 * shift + 1)]
    return {(y, x): padded[y : y + height, x : x + width] for y, x in places}


@given(st.integers(4, 12), st.integers(4, 12), st.integers(0, 3), st.sampled_from([1, 3]), st.booleans())
def test_shifts_and_flips_are_crops_of_the_mirrored_picture(h: int, w: int, shift: int, c: int, flip: bool) -> None:
    images = pictures(6, h, w, c)
    moved = augment.shift_and_flip(images, shift, torch.full((6,), flip)).numpy()
    for before, after in zip(images.numpy(), moved, strict=True):
        seen = after[:, ::-1] if flip else after
        assert any(np.array_equal(seen, one) for one in all_shifts(before, shift).values())


def test_all_shifts_occur() -> None:
    images = pictures(1, 9, 9).repeat(400, 1, 1, 1)
    moved = augment.shift_and_flip(images, 1).numpy()
    reference = all_shifts(images[0].numpy(), 1)
    found = {place for one in moved for place, crop in reference.items() if np.array_equal(one, crop)}
    assert len(found) == 9


def test_without_shift_or_flip_pictures_stay_as_they_are() -> None:
    images = pictures(3, 8, 8)
    assert torch.equal(augment.shift_and_flip(images), images)


def test_only_the_chosen_pictures_are_flipped() -> None:
    images = pictures(2, 8, 8)
    moved = augment.shift_and_flip(images, 0, torch.tensor([True, False]))
    assert torch.equal(moved[0], images[0].flip(1))
    assert torch.equal(moved[1], images[1])


@given(st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_two_epochs_in_a_row_see_every_picture_both_ways(seed: int, epoch: int) -> None:
    indices = torch.arange(500)
    one, two = (augment.alternating_flips(seed, epoch + more, indices) for more in (0, 1))
    assert torch.equal(one, ~two)


def test_about_half_the_pictures_are_flipped_and_seeds_differ() -> None:
    flips = [augment.alternating_flips(seed, 0, torch.arange(4000)) for seed in (0, 1)]
    assert all(0.45 < float(one.float().mean()) < 0.55 for one in flips)
    assert not torch.equal(*flips)


def test_cutout_blanks_one_square_of_at_most_its_side() -> None:
    images = torch.zeros(200, 16, 16, 1, dtype=torch.uint8)
    blank = augment.cutout(images, 6)[..., 0] == 128
    areas = blank.sum((1, 2))
    assert int(areas.max()) == 36
    assert int(areas.min()) >= 9
    rows, columns = blank.any(2).sum(1), blank.any(1).sum(1)
    assert torch.equal(areas, rows * columns)


def test_colour_jitter_stays_within_its_strength() -> None:
    images = torch.full((300, 4, 4, 3), 128, dtype=torch.uint8)
    levels = augment.colour_jitter(images, 0.2).float()
    assert float((levels - 128).abs().max()) <= 0.2 * augment.DEVIATION * 1.2 + 1
    assert float(levels.std()) > 5


def test_colour_jitter_changes_contrast_within_its_strength() -> None:
    black_and_white = torch.tensor([64, 192], dtype=torch.uint8).view(1, 1, 2, 1).repeat(300, 1, 1, 3)
    levels = augment.colour_jitter(black_and_white, 0.2).float()
    contrasts = levels[:, 0, 1, 0] - levels[:, 0, 0, 0]
    assert 128 * 0.8 - 1 <= float(contrasts.min()) < 110
    assert 146 < float(contrasts.max()) <= 128 * 1.2 + 1


def test_grey_pictures_are_jittered_too() -> None:
    assert augment.colour_jitter(pictures(3, 8, 8, 1), 0.5).shape == (3, 8, 8, 1)


def test_the_weights_of_the_views_add_up_to_one() -> None:
    images = pictures(2, 8, 8)
    for flip, shift, count in ((True, 1, 10), (False, 1, 5), (True, 0, 2), (False, 0, 1)):
        found = augment.views(images, flip, shift)
        assert len(found) == count
        assert sum(weight for weight, _ in found) == 1
        assert torch.equal(found[0][1], images)
