from pathlib import Path

import pytest

from trine.errors import DataError
from trine.pictures.entries import natural_order
from trine.pictures.folders import Folder


def entries(root: Path) -> list[tuple[str, str | None, str]]:
    return [(entry.split, entry.label, entry.name) for entry in Folder(root).read(root).entries]


def test_class_folders_in_split_folders(make_folder):
    root = make_folder({"Train/cat": 1, "val/cat": 1, "test/cat": 1})
    assert sorted(entries(root)) == [
        ("test", "cat", "test/cat/test-cat0.png"),
        ("train", "cat", "Train/cat/Train-cat0.png"),
        ("validation", "cat", "val/cat/val-cat0.png"),
    ]


def test_pictures_at_any_depth_of_a_class_folder_count(make_folder):
    assert entries(make_folder({"cat/2024/may": 1, "dog": 1}))[0][1] == "cat"


def test_a_single_folder_around_the_class_folders_is_entered(make_folder):
    assert {label for _, label, _ in entries(make_folder({"export/cat": 1, "export/dog": 1}))} == {"cat", "dog"}


def test_a_single_class_folder_is_a_class(make_folder):
    assert {label for _, label, _ in entries(make_folder({"cat": 2}))} == {"cat"}


def test_files_are_in_natural_order(make_folder):
    names = [name for _, _, name in entries(make_folder({"c": 11}))]
    assert names[-2:] == ["c/c9.png", "c/c10.png"]
    assert sorted(["10", "9", "a2", "a10", ""], key=natural_order) == ["", "9", "10", "a2", "a10"]


def test_pictures_outside_class_folders_are_skipped_by_name(make_folder, make_picture):
    root = make_folder({"cat": 1, "dog": 1})
    make_picture(root / "loose.png")
    assert Folder(root).read(root).skipped == ["unlabelled: loose.png (not in a class folder)"]


def test_pictures_beside_a_single_folder_are_a_flat_set_with_it(make_folder, make_picture):
    root = make_folder({"more": 2})
    make_picture(root / "loose.png")
    files = Folder(root).read(root)
    assert sorted(entry.name for entry in files.entries) == ["loose.png", "more/more0.png", "more/more1.png"]
    assert {entry.label for entry in files.entries} == {None}
    assert files.remarks == ["no class: more/, as pictures lie beside it"]


def test_hidden_files_and_other_suffixes_are_left_out(make_folder):
    root = make_folder({"cat": 1})
    (root / "cat" / ".DS_Store").write_text("")
    (root / "cat" / "._cat0.png").write_text("")
    (root / "cat" / "notes.txt").write_text("")
    (root / "__MACOSX").mkdir()
    assert len(entries(root)) == 1


def test_a_split_folder_next_to_class_folders_is_refused(make_folder):
    with pytest.raises(DataError, match=r"test/ has the name of a split, but cat/ next to it has not"):
        entries(make_folder({"cat": 1, "test/cat": 1}))


def test_two_folders_for_one_split_are_refused(make_folder):
    with pytest.raises(DataError, match=r"val/ and valid/ both hold the validation split"):
        entries(make_folder({"train/cat": 1, "val/cat": 1, "valid/cat": 1}))


def test_a_link_back_to_its_own_folder_is_entered_once(make_folder):
    root = make_folder({"cat": 2, "dog": 1})
    (root / "cat" / "again").symlink_to(root / "cat")
    assert len(entries(root)) == 3


def test_the_error_for_a_folder_without_pictures_lists_the_suffixes(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=r"holds no picture \(looked for \.apng"):
        entries(tmp_path)
