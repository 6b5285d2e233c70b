import shutil

import numpy as np
import pytest
from PIL import Image

from trine.errors import DataError
from trine.pictures.check import check_pictures, refuse_unlearnable
from trine.pictures.picture_set import open_pictures


def checked(folder, **options):
    return check_pictures(open_pictures(folder, cut=False, **options))


def test_a_sound_set_has_no_remarks(make_folder):
    report = checked(make_folder({"train/cat": 4, "train/dog": 4, "test/cat": 2, "test/dog": 2}))
    assert report.remarks == ()
    assert report.unlearnable is None
    assert report.pictures == {"train": 8, "test": 4}
    assert report.per_class["test"] == {"cat": 2, "dog": 2}


def test_files_that_cannot_be_read_are_counted_by_kind(make_folder):
    folder = make_folder({"cat": 3, "dog": 3})
    (folder / "cat" / "a.jpg").write_text("text")
    (folder / "cat" / "b.png").write_bytes((folder / "cat" / "cat0.png").read_bytes()[:200])
    Image.new("1", (20_000, 20_000)).save(folder / "dog" / "c.png")
    report = checked(folder)
    assert report.skipped == {"unreadable": 1, "truncated": 1, "oversized": 1}
    assert "3 files were skipped" in report.remarks


def test_duplicates_are_found_within_and_across_splits(make_folder):
    folder = make_folder({"train/cat": 3, "train/dog": 3, "test/cat": 1, "test/dog": 1})
    shutil.copy(folder / "train/cat/train-cat0.png", folder / "train/cat/again.png")
    shutil.copy(folder / "train/dog/train-dog0.png", folder / "test/cat/leak.png")
    report = checked(folder)
    assert report.exact_duplicates.counts == {"train": 1, "test": 0, "train+test": 1}
    assert report.exact_duplicates.labels_differ == 1
    leak = report.exact_duplicates.pairs[1]
    assert (leak.first, leak.second) == ("train/train/dog/train-dog0.png", "test/test/cat/leak.png")
    assert "1 pair of equal pictures across two splits: train+test" in report.remarks


def test_a_picture_saved_as_jpeg_across_splits_is_found(tmp_path):
    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    scene = Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC)
    for split, name in (("train", "a.png"), ("test", "b.jpg")):
        (tmp_path / split / "cat").mkdir(parents=True)
        scene.save(tmp_path / split / "cat" / name)
    assert checked(tmp_path).near_duplicates.counts["train+test"] == 1


def test_classes_that_a_split_lacks_are_named(make_folder):
    report = checked(make_folder({"train/cat": 2, "train/dog": 2, "test/cat": 1}))
    assert report.missing_classes == {"test": ("dog",)}


def test_imbalance_is_a_remark(make_folder):
    report = checked(make_folder({"cat": 24, "dog": 2}))
    assert report.imbalance == 12.0
    assert "the largest class of train has 12 times as many pictures as the smallest" in report.remarks


def test_the_report_is_json(make_folder):
    report = checked(make_folder({"cat": 2, "dog": 2}))
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_an_unlabelled_set_is_checked_and_refused_for_learning_classes(make_folder):
    folder = make_folder({"": 4})
    report = checked(folder)
    assert report.imbalance is None
    assert "the pictures have no classes" in report.unlearnable
    with pytest.raises(DataError, match="have no classes: put each class into a folder"):
        refuse_unlearnable(open_pictures(folder))


def test_a_single_class_is_refused(make_folder):
    with pytest.raises(DataError, match="all pictures are of one class, cat"):
        refuse_unlearnable(open_pictures(make_folder({"cat": 4})))


def test_classes_that_only_the_test_split_has_are_refused_by_name(make_folder):
    folder = make_folder({"train/cat": 3, "train/dog": 3, "test/owl": 1})
    with pytest.raises(DataError, match="only the test split has owl"):
        refuse_unlearnable(open_pictures(folder))


def test_classes_that_only_validation_has_are_refused_by_name(make_folder):
    folder = make_folder({"train/cat": 3, "train/dog": 3, "val/owl": 1})
    with pytest.raises(DataError, match="only the validation split has owl"):
        refuse_unlearnable(open_pictures(folder))


def test_a_set_without_a_train_split_is_refused(make_folder):
    with pytest.raises(DataError, match="has no train split"):
        refuse_unlearnable(open_pictures(make_folder({"test/cat": 3, "test/dog": 3})))


def test_a_class_with_one_picture_stays_in_train_and_is_named_in_a_remark(make_folder):
    pictures = open_pictures(make_folder({"cat": 12, "dog": 1}))
    assert pictures.classes[pictures.splits["train"].labels[-1]] == "dog"
    assert refuse_unlearnable(pictures)[0] == "one picture only, which cannot be validated: dog"


def test_two_classes_with_one_picture_each_leave_nothing_to_validate(make_folder):
    with pytest.raises(DataError, match="no picture can be spared for validation"):
        refuse_unlearnable(open_pictures(make_folder({"cat": 1, "dog": 1})))
