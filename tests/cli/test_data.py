import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    return tmp_path / "photos"


def test_list_names_every_set_on_a_line_of_its_own(trine, tmp_path):
    said = trine("data", "list", "--data-dir", tmp_path)
    assert said.status == 0
    rows = {line.split("\t")[0]: line.split("\t") for line in said.out.splitlines()}
    assert rows["# name"] == ["# name", "kind", "here", "what", "on disk", "from", "terms"]
    assert rows["cifar10"][1:3] == ["pictures", "no"]
    assert rows["digits"][1:3] == ["pictures", "yes"]
    assert rows["cifar10"][4:6] == ["", "www.cs.toronto.edu"]
    assert rows["hostlab"][4].endswith(" KiB")
    assert rows["hostlab"][5:] == ["inside trine", "Apache-2.0"]
    assert rows["hdfs"][5].startswith("not downloaded; Xu et al. 2009")


def test_a_set_that_is_here_says_how_large_it_is(trine, tmp_path):
    (tmp_path / "hdfs.tsv.gz").write_bytes(3 * 2**20 * b" ")
    sets = json.loads(trine("data", "list", "--data-dir", tmp_path, "--json").out)
    assert {one["name"]: one["bytes"] for one in sets}["hdfs"] == 3 * 2**20


def test_list_as_json_is_one_document(trine, tmp_path):
    sets = json.loads(trine("data", "list", "--data-dir", tmp_path, "--json").out)
    cifar = next(one for one in sets if one["name"] == "cifar10")
    assert cifar["path"] == str(tmp_path / "cifar-10-batches-bin")
    assert cifar["addresses"] == ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]


def test_check_reports_files_and_duplicates(trine, photos):
    (photos / "cat" / "again.png").write_bytes((photos / "cat" / "0.png").read_bytes())
    (photos / "dog" / "broken.jpg").write_text("no picture")
    said = trine("data", "check", photos)
    assert said.status == 0
    assert "unreadable: dog/broken.jpg (not a picture, or of an unknown format)" in said.out
    assert "train/cat/0.png = train/cat/again.png" in said.out
    assert said.out.splitlines()[-1] == "a classifier and a generator can learn from it"


def test_check_as_json_is_one_document(trine, photos):
    report = json.loads(trine("data", "check", photos, "--json").out)
    assert report["pictures"] == {"train": 8}
    assert report["unlearnable"] is None


def test_check_says_why_a_set_cannot_be_learned_from(trine, photos):
    for path in (photos / "dog").iterdir():
        path.unlink()
    assert (
        "a classifier cannot learn from it: photos: all pictures are of one class, cat"
        in trine("data", "check", photos).out
    )


@pytest.mark.parametrize("words", [("check", "nothing-here"), ("fetch", "hdfs")])
def test_what_is_not_there_is_one_line_and_status_1(trine, tmp_path, words):
    said = trine("data", *words, "--data-dir", tmp_path)
    assert (said.status, said.out, len(said.err.splitlines())) == (1, "", 1)


@pytest.mark.parametrize(
    "words", [("check", "hdfs"), ("fetch", "cifar11"), ("check",), ("check", "digits", "--size", "0")]
)
def test_wrong_use_is_one_line_and_status_2(trine, words):
    said = trine("data", *words)
    assert (said.status, said.out, len(said.err.splitlines())) == (2, "", 1)


def test_fetch_of_a_set_inside_a_package_says_so(trine):
    assert trine("data", "fetch", "digits").out == "digits: comes with scikit-learn\n"


def test_check_harms_nothing(trine, photos):
    before = {path: path.stat().st_mtime_ns for path in photos.rglob("*")}
    trine("data", "check", photos)
    assert {path: path.stat().st_mtime_ns for path in photos.rglob("*")} == before


def test_check_of_drawings_without_classes_says_who_can_learn_from_them(trine, photos):
    said = trine("data", "check", photos / "cat")
    assert said.status == 0
    assert "a classifier cannot learn from it: cat: the pictures have no classes" in said.out
    assert said.out.splitlines()[-1] == "a generator can learn from it"


def test_check_of_an_event_set_says_what_it_is(trine, tmp_path):
    said = trine("data", "check", "hostlab")
    assert said.status == 2
    assert "hostlab: is a set of event sequences (system calls of a small web service, used and misused)" in said.err
    (tmp_path / "a.tsv").write_text("events\tlabel\na b c\t0\n")
    assert "a.tsv: is a table of event sequences, not of pictures" in trine("data", "check", tmp_path / "a.tsv").err


def test_check_of_an_empty_name_is_wrong_use(trine):
    said = trine("data", "check", "")
    assert said.status == 2
    assert "an empty name was given" in said.err


def test_check_names_what_is_passed_over(trine, photos):
    (photos / "cat" / "@eaDir").mkdir()
    (photos / "notes.txt").write_text("what I saw")
    (photos / "runs" / "classify-photos").mkdir(parents=True)
    (photos / "runs" / "classify-photos" / "recipe.json").write_text("{}")
    (photos / "runs" / "classify-photos" / "metrics.jsonl").write_text("")
    (photos / "horse").mkdir()
    lines = trine("data", "check", photos).out.splitlines()
    assert "note: passed over, a run of Trine and no class: runs/classify-photos/" in lines
    assert "note: passed over, left by a system: cat/@eaDir/" in lines
    assert "note: passed over, no picture: 1 .txt (notes.txt)" in lines
    assert "note: no class, as no picture is in it: horse/, runs/" in lines


def test_check_takes_classes_from_names(trine, photos):
    report = json.loads(trine("data", "check", photos, "--label-from", r"([0-9])\.png$", "--json").out)
    assert report["classes"] == ["0", "1", "2", "3"]


def test_check_of_a_folder_with_the_name_of_a_named_set_says_which_is_read(trine, photos, tmp_path, monkeypatch):
    photos.rename(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    lines = trine("data", "check", "digits").out.splitlines()
    assert "note: digits is the named set, not what is called digits here: write ./digits for that" in lines
    assert json.loads(trine("data", "check", "./digits", "--json").out)["classes"] == ["cat", "dog"]
