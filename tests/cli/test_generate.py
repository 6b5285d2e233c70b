"""`trine generate` on folders of pictures: written files, printed lines, exit statuses."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = ("widths=[8,8]", "latent=4", "least_steps=30", "epochs=1", "validations=1", "flow_steps=10", "batch_size=16")
SETTINGS = [word for setting in SMALL for word in ("--set", setting)]


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "trine", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def paint(path: Path, seed: int, size: tuple[int, int] = (12, 12), mode: str = "RGB") -> Path:
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (
        rng.integers(0, 60, (size[1], size[0], 3))
        + 150 * (np.arange(size[0]) > size[0] * rng.uniform(0.2, 0.8))[:, None]
    )
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(path)
    return path


def dimensions(path: Path) -> tuple[int, int, int]:
    """Width, height and frames of a picture file."""
    with Image.open(path) as image:
        return image.width, image.height, getattr(image, "n_frames", 1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    for number in range(32):
        paint(root / ("day" if number % 2 else "night") / f"{number}.png", number)
    return root


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained in a separate process."""
    out = tmp_path_factory.mktemp("model") / "run"
    command = run("generate", "fit", photos, *SETTINGS, "--label", "--out", out, "--json")
    assert command.returncode == 0, command.stderr
    result = json.loads(command.stdout)
    assert result["task"] == "generate"
    assert result["metrics"]["bits_per_dim"] > 0
    return out


# ---- what works


def test_sample_makes_a_grid(trine: Callable, model: Path, tmp_path: Path) -> None:
    command = trine("generate", "sample", model, "-n", 9, "--out", tmp_path / "grid.png")
    assert command.status == 0
    assert command.out.strip() == str(tmp_path / "grid.png")
    side = 3 * (12 + 1) + 1
    assert dimensions(tmp_path / "grid.png")[:2] == (5 * side, 5 * side)


def test_single_files_an_array_and_a_second_process_hold_the_same_pictures(
    trine: Callable, model: Path, tmp_path: Path
) -> None:
    words = ("generate", "sample", model, "-n", 70, "--seed", 7, "--label", "day", "--temperature", 0.8)
    assert trine(*words, "--out", tmp_path / "many").status == 0
    assert run(*words, "--out", tmp_path / "all.npy").returncode == 0
    together = np.load(tmp_path / "all.npy")
    files = sorted((tmp_path / "many").iterdir())
    assert [path.name for path in files] == [f"{number:02}.png" for number in range(70)]
    assert np.array_equal(together, np.stack([np.asarray(Image.open(path)) for path in files]))


def test_reconstruct_takes_pictures_of_any_size_and_mode(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    others = [paint(tmp_path / "grey.png", 1, (40, 30), "L"), paint(tmp_path / "clear.png", 2, (7, 9), "RGBA")]
    command = trine(
        "generate", "reconstruct", model, photos / "day" / "1.png", *others, "--out", tmp_path / "pairs.png"
    )
    assert command.status == 0
    assert dimensions(tmp_path / "pairs.png")[:2] == (5 * (3 * 13 + 1), 5 * (2 * 13 + 1))


def test_a_file_that_is_no_picture_is_named_and_the_others_are_scored(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    command = trine("generate", "score", model, tmp_path / "text.png", photos / "day", "--json")
    assert command.status == 1
    assert "text.png" in command.err
    lines = [json.loads(line) for line in command.out.splitlines()]
    assert len(lines) == 16
    assert all(0 <= line["anomaly"] <= 1 and 0 <= line["percentile"] <= 100 for line in lines)
    assert all(0 < line["p_value"] <= 1 for line in lines)


def test_score_marks_what_is_rarer_than_the_share_of_false_alarms(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    board = 255 * (np.indices((12, 12)).sum(0) % 2).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    words = ("generate", "score", model, photos / "day", tmp_path / "board.png", "--false-alarms", 0.5)
    lines = [json.loads(line) for line in trine(*words, "--json").out.splitlines()]
    assert [line["anomalous"] for line in lines] == [line["p_value"] <= 0.5 for line in lines]
    assert lines[-1]["anomalous"]
    plain = [line.split("\t") for line in trine(*words).out.splitlines()]
    assert [cells[4] == "anomalous" for cells in plain] == [line["anomalous"] for line in lines]


def test_a_share_of_false_alarms_below_what_the_held_out_pictures_can_show_is_refused(
    trine: Callable, model: Path, photos: Path
) -> None:
    command = trine("generate", "score", model, photos / "day", "--false-alarms", 1e-6)
    assert command.status == 2
    assert "held-out pictures" in command.err


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_encode_writes_a_row_for_each_picture(
    trine: Callable, model: Path, photos: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"latents.{ending}"
    assert trine("generate", "encode", model, photos, "--out", out).out.strip() == str(out)
    if ending == "npz":
        with np.load(out) as arrays:
            assert arrays["latent"].shape == arrays["deviation"].shape == (32, 4)
            assert sorted(arrays["class"].tolist()) == ["day"] * 16 + ["night"] * 16
    else:
        table = pytest.importorskip("pyarrow.parquet").read_table(out)
        assert table.column_names == ["path", "class", "latent", "deviation"]
        assert len(table) == 32


def test_like_names_the_picture_itself_first_and_draws_what_it_found(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    words = ("generate", "like", model, photos / "day" / "3.png", photos, "-n", 4)
    lines = [line.split("\t") for line in trine(*words, "--out", tmp_path / "like.png").out.splitlines()[:4]]
    distances = [float(cells[0]) for cells in lines]
    assert distances == sorted(distances)
    assert distances[0] == 0
    assert Path(lines[0][1]).name == "3.png"
    assert {cells[2] for cells in lines} <= {"day", "night"}
    assert dimensions(tmp_path / "like.png")
    found = [json.loads(line) for line in trine(*words, "--json").out.splitlines()]
    assert [each["path"] for each in found] == [cells[1] for cells in lines]


def test_check_finds_a_copy_and_an_unusual_picture(trine: Callable, model: Path, tmp_path: Path) -> None:
    for number in range(12):
        paint(tmp_path / "new" / f"{number}.png", number)
    paint(tmp_path / "new" / "copy.png", 5)
    lines = [line.split("\t") for line in trine("generate", "check", model, tmp_path / "new", "-n", 2).out.splitlines()]
    equal = [{Path(name).name for name in cells[2:]} for cells in lines if cells[0] == "equal"]
    assert {"5.png", "copy.png"} in equal
    assert len([cells for cells in lines if cells[0] == "unusual"]) == 2


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_interpolate_writes_a_strip_or_an_animation_between_two_pictures_or_new_ones(
    trine: Callable, model: Path, photos: Path, tmp_path: Path, suffix: str
) -> None:
    ends = photos / "day" / "1.png", photos / "night" / "2.png"
    assert trine("generate", "interpolate", model, *ends, "--out", tmp_path / f"two{suffix}").status == 0
    assert trine("generate", "interpolate", model, "--rows", 2, "--out", tmp_path / f"new{suffix}").status == 0
    assert dimensions(tmp_path / f"new{suffix}")[2] == (18 if suffix == ".gif" else 1)


def test_traverse_names_the_directions_it_moves_along(trine: Callable, model: Path, tmp_path: Path) -> None:
    command = trine("generate", "traverse", model, "--directions", 3, "--out", tmp_path / "rows.png")
    assert command.status == 0
    assert command.err.count("row: direction") == 3


def test_map_draws_a_set(trine: Callable, model: Path, photos: Path, tmp_path: Path) -> None:
    assert trine("generate", "map", model, photos, "--out", tmp_path / "map.png").status == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_adds_the_importance_weighted_estimate_with_its_option(
    trine: Callable, model: Path, photos: Path
) -> None:
    command = trine("generate", "evaluate", model, photos, "--importance", 8, "--pictures", 3, "--json")
    metrics = json.loads(command.out)["metrics"]
    assert (metrics["iw_samples"], metrics["iw_n"]) == (8, 3)
    assert metrics["iw_nats"] > 0


# ---- what is refused


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("sample", "-n", 0), 2, "0 pictures: ask for one or more"),
        (("sample", "--temperature", -1), 2, "temperature -1"),
        (("sample", "--pixel-noise", 7), 2, "pixel noise 7"),
        (("sample", "--seed", 2**64), 2, "seed 18446744073709551616"),
        (("interpolate", "--seed", 2**64), 2, "seed 18446744073709551616"),
        (("sample", "--label", "dusk"), 2, "label 'dusk' is not known to the model: it knows day, night"),
        (("sample", "--out", "x.tiff"), 2, "give a .png file"),
        (("sample", "-n", 1_000_000, "--out", "x.png"), 2, "a grid of 1,000,000 pictures"),
        (("interpolate", "--steps", 1), 2, "1 step: give 2 to 1000"),
        (("interpolate", "--rows", 0), 2, "0 rows"),
        (("traverse", "--directions", 0), 2, "0 directions"),
        (("reconstruct", "a.png", "--out", "x.jpg"), 2, "--out x.jpg: this is written as .png"),
        (("interpolate", "--out", "x.jpeg"), 2, "this is written as .png or .gif"),
        (("traverse", "--out", "folder"), 2, "this is written as .png"),
        (("map", "photos", "--out", "x.svg"), 2, "this is written as .png"),
        (("reconstruct", "absent.png"), 1, "none of the pictures could be read"),
    ],
)
def test_wrong_use_is_a_one_line_error(trine: Callable, model: Path, words: tuple, status: int, message: str) -> None:
    command = trine("generate", words[0], model, *words[1:])
    assert command.status == status
    assert message in command.err
    assert "Traceback" not in command.err


def test_pictures_to_interpolate_between_are_two_and_to_traverse_from_one(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    picture, out = photos / "day" / "1.png", ("--out", tmp_path / "strip.png")
    for words, status, message in (
        (("interpolate", model, picture), 2, "1 picture to interpolate between: give two"),
        (("interpolate", model, photos / "day"), 2, "16 pictures to interpolate between: give two"),
        (("interpolate", model, picture, "absent.png"), 1, "a picture could not be read"),
        (("interpolate", model, picture, picture, "--rows", 2), 2, "--rows, --prior and --seed are for new pictures"),
        (("interpolate", model, picture, picture, "--seed", 2), 2, "--rows, --prior and --seed are for new pictures"),
        (("traverse", model, picture, "--seed", 2), 2, "--seed is for a new picture"),
        (("interpolate", model, picture, picture, "--label", "dusk"), 2, "label 'dusk' is not known"),
        (("traverse", model, photos / "day"), 2, "16 pictures to start from: give one"),
    ):
        command = trine("generate", *words, *out)
        assert (command.status, message in command.err) == (status, True), command.err
        assert not (tmp_path / "strip.png").exists()


def test_files_of_a_set_that_are_skipped_are_named(trine: Callable, model: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "mixed")
    (tmp_path / "mixed" / "day" / "broken.png").write_bytes(b"no picture")
    data = tmp_path / "mixed"
    for words in (
        ("encode", model, data, "--out", tmp_path / "latents.npz"),
        ("like", model, photos / "day" / "1.png", data),
        ("check", model, data, "-n", 0),
        ("map", model, data, "--out", tmp_path / "map.png"),
        ("evaluate", model, data),
    ):
        command = trine("generate", *words)
        assert command.status == 0, command.err
        assert "skipped, unreadable: " in command.err, words
        assert "broken.png" in command.err


def test_new_pictures_are_not_put_among_others(trine: Callable, model: Path, tmp_path: Path) -> None:
    words = ("generate", "sample", model, "--out", tmp_path / "new", "--json")
    for _ in range(2):
        command = trine(*words, "-n", 12)
        assert json.loads(command.out) == {"written": str(tmp_path / "new"), "pictures": 12}
    refused = trine(*words, "-n", 3)
    assert (refused.status, len(list((tmp_path / "new").iterdir()))) == (2, 12)
    assert "holds other pictures, such as 00.png" in refused.err


def test_more_directions_than_there_are_is_said(trine: Callable, model: Path, tmp_path: Path) -> None:
    command = trine("generate", "traverse", model, "--directions", 9_999, "--out", tmp_path / "rows.png")
    assert re.search(r"the model has \d+ directions, not 9,999", command.err)


@pytest.mark.parametrize("out", ["many", "all.npy", "grid.png"])
def test_a_refused_sample_writes_nothing(trine: Callable, model: Path, tmp_path: Path, out: str) -> None:
    assert trine("generate", "sample", model, "--label", "dusk", "--out", tmp_path / out).status == 2
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_task_is_refused(trine: Callable, model: Path) -> None:
    command = trine("classify", "predict", model, "x.png")
    assert command.status == 1
    assert "a model for generate, not for classify" in command.err


def test_a_training_goes_on_from_a_model(trine: Callable, model: Path, photos: Path, tmp_path: Path) -> None:
    words = ("--set", "least_steps=2", "--set", "epochs=0.1", "--set", "flow_steps=2", "--set", "validations=0")
    said = trine("generate", "fit", photos, "--from", model, *words, "--out", tmp_path / "run", "--json")
    assert said.status == 0, said.err
    before = json.loads((model / "result.json").read_text())["metrics"]["elbo_nats"]
    assert json.loads(said.out)["metrics"]["elbo_nats"] < before + 100
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (recipe["widths"], recipe["latent"], recipe["label"]) == ([8, 8], 4, True)
    other = trine("generate", "fit", photos, "--from", model, "--set", "latent=5", "--out", tmp_path / "other")
    assert other.status == 2
    assert "latent=5: the model to go on from has latent=4" in other.err
