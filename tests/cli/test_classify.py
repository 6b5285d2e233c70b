"""`trine classify` on folders of pictures, in real processes: what is printed, on which stream, with which status."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = ("--set", "widths=[8,8]", "--set", "depth=1", "--set", "least_steps=30", "--set", "epochs=1")
ENDS = (*SMALL, "--set", "validations=0")


def run(*words: object, cwd: Path | None = None, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "trine", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        input=stdin,
        timeout=120,
    )


def paint(path: Path, bright: bool, size: tuple[int, int] = (12, 12)) -> Path:
    rng = np.random.default_rng(abs(hash(path.name)) % 2**32)
    path.parent.mkdir(parents=True, exist_ok=True)
    base = 200 if bright else 40
    Image.fromarray((base + rng.integers(-30, 30, (size[1], size[0], 3))).astype(np.uint8)).save(path)
    return path


def folder_of(root: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        for number in range(count):
            paint(root / name / f"{number}.png", bright=name.endswith("day"))
    return root


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("data") / "photos", {"day": 16, "night": 16})


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained in a process of its own."""
    out = tmp_path_factory.mktemp("model") / "run"
    said = run("classify", "fit", photos, *SMALL, "--out", out, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["data"]["n"] > 0
    return out


# ---- what works


def test_evaluate_prints_the_figures_of_the_split_asked_for(trine: Callable, model: Path, photos: Path) -> None:
    said = trine("classify", "evaluate", model, photos, "--split", "train", "--json")
    result = json.loads(said.out)
    assert said.status == 0
    assert result["data"]["split"] == "train"
    assert result["metrics"]["accuracy"] > 0.9


def test_predict_answers_files_folders_and_globs(trine: Callable, model: Path, photos: Path) -> None:
    one, many = photos / "day" / "0.png", photos / "night"
    said = trine("classify", "predict", model, one, many, photos / "day" / "1*.png")
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert said.status == 0
    assert [Path(row[0]).parent.name for row in rows] == ["day"] + 16 * ["night"] + 7 * ["day"]
    assert np.mean([row[1] == Path(row[0]).parent.name for row in rows]) > 0.9


def test_predict_reads_names_from_standard_input_and_prints_json_lines(model: Path, photos: Path) -> None:
    names = [str(photos / "day" / "0.png"), "", str(photos / "night" / "0.png"), ""]
    said = run("classify", "predict", model, "-", "--json", stdin="\n".join(names))
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 0, said.stderr
    assert [line["path"] for line in lines] == [name for name in names if name]
    assert set(lines[0]) == {"path", "label", "probability", "top", "typicality", "abstain"}
    assert [line["label"] for line in lines] == ["day", "night"]


def test_one_bad_file_does_not_keep_the_others_from_their_answers(model: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    whole = (photos / "day" / "0.png").read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])
    bad = [tmp_path / "text.jpg", tmp_path / "torn.png", tmp_path / "absent.png"]
    said = run("classify", "predict", model, *bad, photos / "day" / "0.png")
    assert said.returncode == 1
    assert said.stdout.splitlines()[0].split("\t")[1] == "day"
    complaints = said.stderr.splitlines()
    assert len(complaints) == 3
    for path, line in zip(bad, complaints, strict=True):
        assert line.startswith("trine: ")
        assert path.name in line
    as_json = run("classify", "predict", model, *bad, "--json")
    assert [set(json.loads(line)) for line in as_json.stdout.splitlines()] == 3 * [{"path", "error"}]
    assert as_json.returncode == 1


def test_explain_names_the_files_it_wrote(trine: Callable, model: Path, photos: Path, tmp_path: Path) -> None:
    said = trine("classify", "explain", model, photos / "day" / "0.png", "--out", tmp_path / "out")
    assert said.status == 0
    assert [Path(line).name for line in said.out.splitlines()] == [
        "filters.png",
        "0.png",
        "0-maps.png",
        "0-filters.png",
    ]
    assert all(Path(line).read_bytes().startswith(b"\x89PNG") for line in said.out.splitlines())


def test_pictures_of_one_pixel_are_answered(trine: Callable, model: Path, tmp_path: Path) -> None:
    said = trine("classify", "predict", model, paint(tmp_path / "dot.png", True, (1, 1)))
    assert said.status == 0
    assert "\tday\t" in said.out


# ---- what does not


def test_a_huge_picture_is_refused_without_being_decoded(model: Path, tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    said = run("classify", "predict", model, tmp_path / "huge.png")
    assert said.returncode == 1
    assert "oversized" in said.stderr
    assert "huge.png" in said.stderr


def spoil(name: str, folder: Path) -> Path:
    """A set that cannot be learned from."""
    data = folder / "data"
    layouts = {
        "one class": {"day": 6},
        "a class that only the test split has": {"train/day": 4, "train/night": 4, "test/dusk": 2},
        "one picture a class": {"day": 1, "night": 1},
        "no classes": {"": 6},
    }
    data.mkdir()
    if name in layouts:
        folder_of(data, layouts[name])
    if name == "nothing but texts called pictures":
        for label in ("day", "night"):
            (data / label).mkdir()
            for number in range(3):
                (data / label / f"{number}.jpg").write_text("no picture")
    if name == "a lonely text called a picture":
        (folder / "data.jpg").write_text("no picture")
        return folder / "data.jpg"
    return folder / "nowhere" if name == "no such path" else data


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no such path", "no such file or folder"),
        ("an empty folder", "data"),
        ("nothing but texts called pictures", "no picture of 6 can be read"),
        ("a lonely text called a picture", "data.jpg"),
        ("one class", "one class, day"),
        ("a class that only the test split has", "only the test split has dusk"),
        ("one picture a class", "no picture can be spared"),
        ("no classes", "no classes"),
    ],
)
def test_a_set_that_cannot_be_learned_from_is_one_line_and_leaves_no_run(
    trine: Callable, tmp_path: Path, name: str, message: str
) -> None:
    data = spoil(name, tmp_path)
    before = content(tmp_path)
    said = trine("classify", "fit", data, *ENDS, "--out", tmp_path / "run")
    assert said.status == 1
    assert message in said.err
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert content(tmp_path) == before


def test_unreadable_tiny_and_huge_pictures_are_skipped_by_name_or_learned(trine: Callable, tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", {"day": 8, "night": 8, "dusk": 1})
    paint(data / "day" / "dot.png", True, (1, 1))
    (data / "night" / "text.jpg").write_text("no picture")
    whole = (data / "day" / "0.png").read_bytes()
    (data / "day" / "torn.png").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (20_000, 20_000)).save(data / "night" / "huge.png")
    before = content(data)
    said = trine("classify", "fit", data, *ENDS, "--out", tmp_path / "run", "--json")
    assert said.status == 0
    for name in ("text.jpg", "torn.png", "huge.png"):
        assert any(name in line and "skipped" in line for line in said.err.splitlines())
    assert "dot.png" not in said.err
    assert any("one picture only" in line and "dusk" in line for line in said.err.splitlines())
    assert content(data) == before


def test_a_run_is_not_overwritten(trine: Callable, model: Path, photos: Path) -> None:
    before = content(model)
    said = trine("classify", "fit", photos, *ENDS, "--out", model)
    assert said.status == 1
    assert "--resume" in said.err
    assert content(model) == before


def test_classes_that_the_model_does_not_know_are_named(trine: Callable, model: Path, tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", {"day": 2, "dawn": 2})
    said = trine("classify", "evaluate", model, data)
    assert said.status == 1
    assert "does not know the classes dawn" in said.err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_without_a_picture_there_is_nothing_to_say(trine: Callable, model: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    for words in ((), (tmp_path / "empty",), (tmp_path / "*.png",)):
        said = trine("classify", command, model, *words, *(["--out", tmp_path / "out"] * (command == "explain")))
        assert said.status == 1
        assert len(said.err.splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_an_unknown_option_is_not_taken_for_a_picture(trine: Callable, model: Path, photos: Path) -> None:
    said = trine("classify", "predict", model, "--jsn", photos / "day" / "0.png")
    assert said.status == 2
    assert "--jsn" in said.err


def test_a_split_that_is_not_there_is_answered_with_those_that_are(trine: Callable, model: Path, photos: Path) -> None:
    said = trine("classify", "evaluate", model, photos, "--split", "trian")
    assert said.status == 1
    assert said.err.endswith("has no labelled split 'trian': it has validation, train, all: did you mean 'train'?\n")


def test_what_is_no_model_is_refused(trine: Callable, photos: Path) -> None:
    said = trine("classify", "predict", photos, photos / "day" / "0.png")
    assert said.status == 1
    assert len(said.err.splitlines()) == 1


def test_a_picture_size_out_of_range_is_wrong_use(trine: Callable, photos: Path, tmp_path: Path) -> None:
    said = trine("classify", "fit", photos, "--set", "picture_size=4", "--out", tmp_path / "run")
    assert said.status == 2
    assert "picture_size=4" in said.err
    assert not (tmp_path / "run").exists()


def test_a_reader_that_goes_away_ends_the_answers_quietly(model: Path, photos: Path) -> None:
    line = f"{sys.executable} -m trine classify predict {model} {photos} | head -n 1"
    said = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert len(said.stdout.splitlines()) == 1
    assert "Traceback" not in said.stderr


def test_litter_is_passed_over_with_a_word_and_without_a_failure(trine: Callable, model: Path, photos: Path, tmp_path):
    folder = tmp_path / "new"
    shutil.copytree(photos / "day", folder / "deep" / "er")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "deep" / "._1.png").write_bytes(b"\0")
    (folder / "notes.txt").write_text("")
    said = trine("classify", "predict", model, folder)
    assert said.status == 0
    assert len(said.out.splitlines()) == 16
    assert said.err == f"{folder}: passed over, no picture: 1 .txt (notes.txt)\n"
    first, *others = map(json.loads, trine("classify", "predict", model, folder, "--json").out.splitlines())
    assert first == {"passed_over": f"{folder}: passed over, no picture: 1 .txt (notes.txt)"}
    assert len(others) == 16


def test_pictures_of_an_archive_are_answered_under_their_names_in_it(
    trine: Callable, model: Path, photos: Path, tmp_path
):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", photos)
    said = trine("classify", "predict", model, archive)
    assert said.status == 0
    assert said.out.splitlines()[0].startswith(f"{archive}/day/0.png\t")


def test_answers_are_sorted_into_folders_and_a_table(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    out, table = tmp_path / "sorted", tmp_path / "answers.csv"
    (tmp_path / "text.jpg").write_text("no picture")
    words = ("classify", "predict", model, photos / "day", photos / "night", tmp_path / "text.jpg")
    said = trine(*words, "--sort-into", out, "--csv", table)
    assert said.status == 1
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert list(rows[0]) == ["path", "label", "probability", "typicality", "abstain", "error"]
    assert len(rows) == 33
    assert "text.jpg" in rows[-1]["error"]
    where = {"yes": "unsure", "no": None}
    expected = sorted(where[row["abstain"]] or row["label"] for row in rows[:-1])
    assert sorted(path.parent.name for path in out.rglob("*.png")) == expected
    before = content(out)
    again = trine(*words, "--sort-into", out)
    assert "32 were there already" in again.err
    assert content(out) == before


def test_a_label_from_names_is_an_option(trine: Callable, photos: Path, tmp_path: Path) -> None:
    for path in photos.rglob("*.png"):
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "flat" / f"{path.parent.name}{path.name}")
    words = (*ENDS, "--label-from", "([a-z]+)[^/]*$", "--out", tmp_path / "run")
    said = trine("classify", "fit", tmp_path / "flat", *words)
    assert said.status == 0
    assert "labels from names: 32 pictures, 2 classes (day, night)" in said.err


def test_the_same_command_again_is_a_new_run_and_overwrite_replaces(
    trine: Callable, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "photos", {"$^$": 6, "day": 6})
    words = ("classify", "fit", "photos", *ENDS, "--set", "least_steps=2")
    for name in ("classify-photos", "classify-photos-2"):
        said = trine(*words)
        assert said.status == 0, said.err
        assert f"model: runs/{name}/bundle" in said.err
        assert (tmp_path / "runs" / name / "bundle" / "confusion.png").is_file()
    assert "runs/classify-photos-2: a new run; --resume continues the last one, --overwrite replaces it" in said.err
    assert "runs/classify-photos-2: this run is complete already" in trine(*words, "--resume").err
    before = (tmp_path / "runs" / "classify-photos-2" / "result.json").stat().st_mtime_ns
    assert trine(*words, "--overwrite").status == 0
    assert (tmp_path / "runs" / "classify-photos-2" / "result.json").stat().st_mtime_ns != before
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["classify-photos", "classify-photos-2"]
    assert trine(*words, "--overwrite", "--resume").status == 2
