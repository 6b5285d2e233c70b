"""How people's folders look: as Kaggle, Roboflow, fast.ai and their own hands leave them."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import DataError, UsageError
from trine.pictures.entries import Files
from trine.pictures.folders import Folder
from trine.pictures.sources import source_at
from trine.pictures.split_names import split_name, splits_of


def read(root: Path, **options: object) -> Files:
    files = source_at(root, **options).read(root / "workspace")
    assert isinstance(files, Files)
    return files


def counts(root: Path, **options: object) -> dict[tuple[str, str | None], int]:
    return dict(Counter((entry.split, entry.label) for entry in read(root, **options).entries))


TWO = {("train", "cat"): 2, ("train", "dog"): 2}
BOTH = {("train", "cat"): 2, ("train", "dog"): 2, ("test", "cat"): 1, ("test", "dog"): 1}


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("Training", "Testing", "test"),
        ("training_set", "test_set", "test"),
        ("seg_train", "seg_test", "test"),
        ("train_images", "test_images", "test"),
        ("Train", "validation_set", "validation"),
        ("train", "eval", "validation"),
        ("train", "dev", "validation"),
        ("train", "holdout", "test"),
        ("train", "hold_out", "test"),
        ("TrainImages", "TestImages", "test"),
        ("trainset", "valset", "validation"),
        ("train2017", "val2017", "validation"),
        ("flowers-train", "flowers-valid", "validation"),
        ("1_train", "2_test", "test"),
        ("horse-or-human", "validation-horse-or-human", "validation"),
    ],
)
def test_names_of_splits_in_the_wild_are_splits(make_folder, train, other, split):
    root = make_folder({f"{train}/cat": 2, f"{train}/dog": 2, f"{other}/cat": 1, f"{other}/dog": 1})
    assert counts(root) == {**TWO, (split, "cat"): 1, (split, "dog"): 1}


@pytest.mark.parametrize(
    "names", [["freight train", "tram"], ["test tube", "tube"], ["driving", "resting"], ["42", "7"]]
)
def test_classes_whose_names_hold_the_word_of_a_split_stay_classes(make_folder, names):
    assert counts(make_folder(dict.fromkeys(names, 1))) == {("train", name): 1 for name in names}


def test_a_class_called_train_among_vehicles_is_a_class_and_said(make_folder):
    root = make_folder({"bus": 1, "car": 1, "train": 2})
    assert counts(root)["train", "train"] == 2
    assert any(line.startswith("train/ is a class, not a split") for line in read(root).remarks)


@pytest.mark.parametrize(
    "inner", ["Images/{}", "train/images/{}", "data/train/{}", "a/b/c/{}", "seg_train/seg_train/{}", "train/train/{}"]
)
def test_class_folders_nested_deeper_are_found(make_folder, inner):
    assert counts(make_folder({inner.format("cat"): 2, inner.format("dog"): 2})) == TWO


def test_annotations_beside_the_pictures_are_no_class(make_folder):
    root = make_folder({"Images/n02085620-Chihuahua": 2, "Images/n02085782-Japanese_spaniel": 2})
    for breed in ("n02085620-Chihuahua", "n02085782-Japanese_spaniel"):
        (root / "Annotation" / breed).mkdir(parents=True)
        (root / "Annotation" / breed / "n02085620_10074").write_text(
            "<annotation><folder>02085620</folder></annotation>"
        )
    assert counts(root) == {("train", "n02085620-Chihuahua"): 2, ("train", "n02085782-Japanese_spaniel"): 2}


def test_kaggles_intel_set_with_pictures_to_predict_is_understood(make_folder):
    deep = {f"seg_{split}/seg_{split}/{name}": 2 for split in ("train", "test") for name in ("forest", "sea")}
    root = make_folder({**deep, "seg_pred/seg_pred": 3})
    assert counts(root) == {(split, name): 2 for split in ("train", "test") for name in ("forest", "sea")}
    assert "passed over, no split: 3 pictures in seg_pred/" in read(root).remarks


def test_a_copy_of_the_set_inside_itself_is_passed_over_and_said(make_folder):
    root = make_folder({"cat": 2, "dog": 2, "pets/cat": 2, "pets/dog": 2})
    assert counts(root) == TWO
    assert "passed over, a copy: pets/ holds cat, dog like the folder around it" in read(root).remarks


def test_splits_inside_the_class_folders_are_splits(make_folder):
    root = make_folder({"cat/train": 2, "dog/train": 2, "cat/test": 1, "dog/test": 1})
    assert counts(root) == BOTH


def test_an_unlabelled_test_folder_stays_unlabelled(make_folder):
    assert counts(make_folder({"train/cat": 2, "train/dog": 2, "test": 3})) == {**TWO, ("test", None): 3}


def test_folders_that_all_hold_the_same_folders_are_refused_by_name(make_folder):
    root = make_folder({f"{part}/{name}": 1 for part in ("fold1", "fold2", "fold3") for name in ("cat", "dog")})
    with pytest.raises(
        DataError, match=r"fold1/, fold2/, fold3/ hold the same folders \(cat, dog\).*train, validation"
    ):
        read(root)
    assert counts(root, label_from="([^/]+)/[^/]*$") == {("train", "cat"): 3, ("train", "dog"): 3}


def test_classes_in_two_levels_are_the_outer_ones_and_the_inner_ones_are_named(make_folder):
    root = make_folder({"animal/cat": 1, "animal/dog": 1, "plant/rose": 1, "plant/oak": 1})
    assert counts(root) == {("train", "animal"): 2, ("train", "plant"): 2}
    assert any("--label-from" in line for line in read(root).remarks)


def test_an_images_folder_in_every_class_is_no_split(make_folder):
    root = make_folder({"n01443537/images": 2, "n01629819/images": 2})
    assert counts(root) == {("train", "n01443537"): 2, ("train", "n01629819"): 2}


def table(root: Path, name: str, *lines: str) -> None:
    (root / name).write_text("\n".join(lines) + "\n")


def test_ids_without_suffix_in_a_table_beside_the_pictures_give_the_labels(make_folder):
    root = make_folder({"train": 4, "test": 2})
    table(root, "labels.csv", "id,breed", "train0,boston_bull", "train1,dingo", "train2,dingo", "train3,pekinese")
    table(root, "sample_submission.csv", "id,boston_bull,dingo", "test0,0.5,0.5", "test1,0.5,0.5")
    assert counts(root) == {
        ("train", "boston_bull"): 1,
        ("train", "dingo"): 2,
        ("train", "pekinese"): 1,
        ("test", None): 2,
    }
    assert "labels from labels.csv, breed: 4 pictures, 3 classes" in read(root).remarks


def test_a_folder_of_train_images_beside_train_csv(make_folder):
    root = make_folder({"train_images": 3, "test_images": 1})
    table(root, "train.csv", "image_id,label", "train_images0.png,0", "train_images1.png,3", "train_images2.png,3")
    assert counts(root) == {("train", "0"): 1, ("train", "3"): 2, ("test", None): 1}


def test_roboflows_one_hot_classes_give_the_labels_of_each_split(make_folder):
    root = make_folder({"train": 2, "valid": 2})
    table(root, "train/_classes.csv", "filename, Cat, Dog", "train0.png, 1, 0", "train1.png, 0, 1")
    table(root, "valid/_classes.csv", "filename, Cat, Dog", "valid0.png, 0, 1", "valid1.png, 1, 0")
    expected = {(split, name): 1 for split in ("train", "validation") for name in ("cat", "dog")}
    assert counts(root) == expected


def test_several_ones_in_a_row_are_refused_with_all_such_rows(make_folder):
    root = make_folder({"train": 3})
    table(root, "train/_classes.csv", "filename,cat,dog", "train0.png,1,1", "train1.png,0,1", "train2.png,1,1")
    with pytest.raises(DataError, match=r"_classes\.csv: line 2, line 4: several classes at once \(cat, dog\)"):
        read(root)


@pytest.mark.parametrize("cells", [["cat|dog", "dog|bird"], ["cat;dog", "dog", "cat"], ["cat, dog", "cat", "dog"]])
def test_several_classes_in_a_cell_are_refused_with_the_row(make_folder, cells):
    root = make_folder({"train": len(cells)})
    rows = [f'train{number}.png,"{cell}"' for number, cell in enumerate(cells)]
    table(root, "train.csv", "filename,labels", *rows)
    with pytest.raises(DataError, match=r"train\.csv: line 2.*: several classes at once \(cat, dog\).*a single 1"):
        read(root)


@pytest.mark.parametrize("names", [["Paris, France", "Lyon, France"], ["hot dog", "dog"], ["n/a|b", "c"]])
def test_names_of_classes_with_commas_and_blanks_stay_names(make_folder, names):
    root = make_folder({"train": len(names)})
    table(root, "train.csv", "filename,label", *(f'train{number}.png,"{name}"' for number, name in enumerate(names)))
    assert {label for _, label in counts(root)} == set(names)


def test_pictures_in_two_parts_and_one_table_beside_them(make_folder):
    root = make_folder({"HAM10000_images_part_1": 2, "HAM10000_images_part_2": 1})
    table(
        root,
        "HAM10000_metadata.csv",
        "lesion_id,image_id,dx,dx_type,age,sex,localization",
        "HAM_1,HAM10000_images_part_10,nv,histo,80.0,male,scalp",
        "HAM_1,HAM10000_images_part_11,mel,histo,80.0,male,scalp",
        "HAM_2,HAM10000_images_part_20,nv,follow_up,45.0,female,back",
    )
    assert counts(root) == {("train", "nv"): 2, ("train", "mel"): 1}


def test_a_table_with_a_column_of_splits_is_followed(make_folder):
    root = make_folder({"images": 4})
    lines = [f"images/images{i}.png,{'ab'[i % 2]},{'train' if i < 2 else 'test'}" for i in range(4)]
    table(root, "set.csv", "file_name,category,split", *lines)
    assert counts(root) == {(split, name): 1 for split in ("train", "test") for name in "ab"}


def test_hugging_faces_json_lines_beside_the_pictures_give_the_labels(make_folder):
    root = make_folder({"train": 2})
    lines = [json.dumps({"file_name": f"train{i}.png", "label": name}) for i, name in enumerate(("cat", "dog"))]
    table(root, "train/metadata.jsonl", *lines)
    assert counts(root) == {("train", "cat"): 1, ("train", "dog"): 1}


def test_a_table_whose_columns_are_not_clear_is_named(make_folder):
    root = make_folder({"images": 2})
    table(root, "people.csv", "file,age,town", "images0.png,33,Bonn", "images1.png,44,Kiel")
    assert counts(root) == {("train", None): 2}
    assert any("people.csv lies beside the pictures, but which of its columns" in line for line in read(root).remarks)


def test_a_table_without_a_header_is_named(make_folder):
    root = make_folder({"images": 2})
    table(root, "labels.csv", "images0.png,cat", "images1.png,dog")
    assert any("labels.csv lies beside the pictures, but has no header" in line for line in read(root).remarks)


def test_a_table_about_something_else_is_not_used(make_folder):
    root = make_folder({"images": 2})
    table(root, "weather.csv", "day,label", "monday,rain", "tuesday,sun")
    assert counts(root) == {("train", None): 2}


def test_a_table_of_the_users_gives_the_labels_of_the_pictures_near_it(make_folder):
    root = make_folder({"images": 2})
    table(root, "a.csv", "image,species", "images0,oak", "images1,elm")
    assert counts(root / "a.csv") == {("train", "oak"): 1, ("train", "elm"): 1}


def test_a_stray_table_of_paths_without_labels_does_not_replace_class_folders(make_folder):
    root = make_folder({"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    table(root, "noisy.csv", "path,noisy_labels_0,is_valid", "train/cat/train-cat0.png,dog,False")
    assert counts(root) == {**TWO, ("validation", "cat"): 1, ("validation", "dog"): 1}
    assert any(line.startswith("noisy.csv is not used") for line in read(root).remarks)


def test_a_manifest_that_replaces_class_folders_is_said(make_folder):
    root = make_folder({"cat": 1, "dog": 1})
    table(root, "set.csv", "path,label", "cat/cat0.png,feline", "dog/dog0.png,canine")
    assert counts(root) == {("train", "feline"): 1, ("train", "canine"): 1}
    assert read(root).remarks == ["labels from set.csv, not from the names of the folders"]


def test_labels_come_from_names_by_an_expression(make_folder, make_picture):
    root = make_folder({})
    for name in ("cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "readme.jpg"):
        make_picture(root / "train" / name)
    assert counts(root, label_from=r"([a-z]+)\.[0-9]+\.jpg$") == {("train", "cat"): 2, ("train", "dog"): 1}
    assert read(root, label_from=r"([a-z]+)\.[0-9]+\.jpg$").skipped == [
        "unlabelled: train/readme.jpg (label_from does not match it)"
    ]


def test_an_expression_is_suggested_that_reads_the_classes_in_the_names(make_folder, make_picture):
    root = make_folder({})
    for name in ("cat.0.jpg", "cat.1.jpg", "sea lion (3).jpg", "sea lion (4).jpg"):
        make_picture(root / name)
    remark = next(line for line in read(root).remarks if "--label-from" in line)
    expression = remark.split("'")[1]
    assert counts(root, label_from=expression) == {("train", "cat"): 2, ("train", "sea lion"): 2}


@pytest.mark.parametrize("expression", ["(", "cat", "(a)(b)", "(?P<x>a)(b)"])
def test_an_expression_without_one_group_is_wrong_use(make_folder, expression):
    with pytest.raises(UsageError, match="label_from="):
        read(make_folder({"cat": 1}), label_from=expression)


def test_an_expression_that_matches_nothing_names_a_path(make_folder):
    with pytest.raises(DataError, match=r"matches no path, of which the first is cat/cat0\.png"):
        read(make_folder({"cat": 1}), label_from="(x)y")


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_names_have_splits_or_none(names):
    assert set(splits_of(names).values()) <= {"train", "validation", "test"}
    assert all(split_name(name).split in (None, "train", "validation", "test") for name in names)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_table_beside_pictures_are_no_crash(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("set")
    (root / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "labels.csv").write_bytes(content)
    assert len(Folder(root).read(root).entries) == 1
