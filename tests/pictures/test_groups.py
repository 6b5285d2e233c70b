import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trine.pictures.groups import copies, joined
from trine.pictures.picture_set import open_pictures
from trine.pictures.splits import grouped_cut, stratified_cut


def scenes(n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth pictures, as photographs are: coarse noise, enlarged."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse])


def names(n: int) -> list[str]:
    return [f"{i}.png" for i in range(n)]


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images,
        lambda images: np.clip(images.astype(int) + 6, 0, 255).astype(np.uint8),
        lambda images: images[:, :, ::-1],
        lambda images: images[:, ::-1],
        lambda images: np.rot90(images, 1, (1, 2)),
        lambda images: np.rot90(images, 3, (1, 2)),
    ],
)
def test_copies_mirrored_turned_or_brightened_are_of_the_group_of_the_original(change):
    images = scenes(40)
    both = np.concatenate([images, change(images)])
    groups = copies(both, np.zeros(80, np.int64), names(80))
    assert (groups[:40] == groups[40:]).sum() >= 36
    assert len(set(groups[:40].tolist())) >= 39


def test_mirrored_pictures_of_two_classes_are_no_copies():
    images = scenes(10)
    both = np.concatenate([images, images[:, :, ::-1]])
    assert len(set(copies(both, np.repeat([0, 1], 10), names(20)).tolist())) == 20


def test_names_of_augmented_copies_are_understood():
    told = [
        "cat/a_jpg.rf.0123456789abcdef.jpg",
        "cat/a_jpg.rf.fedcba9876543210.jpg",
        "cat/b.png",
        "cat/b_aug1.png",
        "cat/b-hflip.png",
        "cat/cat (1).png",
        "cat/cat (2).png",
    ]
    assert copies(scenes(7), np.zeros(7, np.int64), told).tolist() == [0, 0, 2, 2, 2, 5, 6]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.floats(0.05, 0.6), st.integers(0, 9))
def test_without_groups_the_cut_is_the_stratified_one(labels, share, seed):
    own = np.array(labels, np.int64)
    stay, cut = grouped_cut(own, np.arange(len(own)), share, seed)
    other_stay, other_cut = stratified_cut(own, len(own), share, seed)
    if len(other_cut):
        assert stay.tolist() == other_stay.tolist()
        assert cut.tolist() == other_cut.tolist()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1, max_size=80),
    st.floats(0.05, 0.6),
    st.integers(0, 9),
)
def test_no_group_is_on_both_sides_of_a_cut(pictures, share, seed):
    labels = np.array([label for label, _ in pictures], np.int64)
    keys = [key for _, key in pictures]
    groups = np.array([keys.index(key) for key in keys], np.int64)
    stay, cut = grouped_cut(labels, groups, share, seed)
    assert sorted([*stay, *cut]) == list(range(len(labels)))
    assert not set(groups[stay].tolist()) & set(groups[cut].tolist())
    assert set(labels[cut].tolist()) <= set(labels[stay].tolist())


def test_pairs_join_to_groups_named_by_their_first():
    assert joined(6, np.array([[1, 4], [4, 5]], np.int64)).tolist() == [0, 1, 2, 3, 1, 1]


def test_augmented_copies_of_a_folder_stay_on_one_side_and_are_said(tmp_path):
    for label, seed in (("cat", 1), ("dog", 2)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i, scene in enumerate(scenes(20, seed=seed)):
            for j, copy in enumerate((scene, scene[:, ::-1], np.clip(scene.astype(int) + 5, 0, 255).astype(np.uint8))):
                Image.fromarray(copy).save(tmp_path / "set" / label / f"{i}-{j}.png")
    opened = open_pictures(tmp_path / "set", validation_share=0.2)
    originals = {
        split: {name.split("-")[0] for name in part.names if name.startswith("cat")}
        for split, part in opened.splits.items()
    }
    assert len(opened.splits["validation"]) == 24
    assert not originals["train"] & originals["validation"]
    assert any(
        line.startswith("120 pictures of train are near copies of one another, in 40") for line in opened.remarks
    )


def test_a_set_of_copies_of_one_picture_is_still_cut(tmp_path, make_folder):
    folder = make_folder({"cat": 1})
    for i in range(1, 10):
        (folder / "cat" / f"{i}.png").write_bytes((folder / "cat" / "cat0.png").read_bytes())
    opened = open_pictures(folder)
    assert len(opened.splits["validation"]) == 1
    assert any("so validation holds copies, too" in line for line in opened.remarks)
