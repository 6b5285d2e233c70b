from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from trine.pictures import duplicates
from trine.pictures.duplicates import difference_hash, exact_pairs, near_pairs, signatures


def scenes(n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth pictures, as photographs are: coarse noise, enlarged."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse])


def as_jpeg(image: np.ndarray) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer))


def brighter(image: np.ndarray) -> np.ndarray:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(image)).enhance(1.06))


def rescaled(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((50, 50)).resize(image.shape[:2]))


def test_equal_pictures_are_paired_with_the_first_of_them():
    images = scenes(5)
    signed = signatures([images, images[[3, 1, 3]]])
    assert exact_pairs(signed.digests).tolist() == [[3, 5], [1, 6], [3, 7]]


@pytest.mark.parametrize(("change", "least"), [(as_jpeg, 35), (brighter, 45), (rescaled, 45)])
def test_most_pictures_saved_again_are_nearly_equal(change, least):
    images = scenes(200)
    changed = np.stack([change(image) for image in images[:50]])
    pairs = near_pairs(signatures([images, changed])).tolist()
    assert sum([i, 200 + i] in pairs for i in range(50)) >= least
    assert all(b - 200 == a for a, b in pairs)


def test_equal_pictures_are_not_listed_as_nearly_equal():
    images = scenes(10)
    assert len(near_pairs(signatures([images, images]))) == 0


def test_different_pictures_are_not_paired():
    assert len(near_pairs(signatures([scenes(2000)]))) == 0


def test_uniform_pictures_of_different_levels_are_different():
    flat = np.full((3, 16, 16, 1), 100, np.uint8)
    flat[1], flat[2] = 180, 101
    assert near_pairs(signatures([flat])).tolist() == [[0, 2]]


def test_a_hash_bit_is_set_where_the_picture_becomes_brighter():
    ramp = np.tile(np.arange(0, 180, 5, dtype=np.uint8)[None, :, None], (36, 1, 1))
    assert difference_hash(np.stack([ramp, ramp[:, ::-1]])).tolist() == [2**64 - 1, 0]


def test_a_single_picture_has_no_pairs():
    signed = signatures([scenes(1)])
    assert len(exact_pairs(signed.digests)) == len(near_pairs(signed)) == 0


def test_in_a_set_of_nearly_equal_pictures_a_limited_number_of_pairs_is_compared(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 3, (500, 28, 28, 1), dtype=np.uint8)
    signed = signatures([scenes(1, 28)[:, :, :, :1] // 2 + noise])
    assert len(near_pairs(signed)) > 1000
    monkeypatch.setattr(duplicates, "MAX_CANDIDATES", 1000)
    assert 0 < len(near_pairs(signed)) <= 1000
