import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trine.classify.classifier import Classifier
from trine.errors import BundleError, DataError, UsageError

from .conftest import SHAPES, SHORT, shape_picture, write_shapes


def test_a_few_steps_suffice_to_tell_shapes_apart(fitted: Classifier) -> None:
    assert fitted.classes == SHAPES
    assert fitted.result
    assert fitted.result.data.split == "validation"
    assert fitted.result.metrics["accuracy_tta"] >= 0.8


def test_a_run_holds_what_a_person_wants_to_see(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    pictures = {"confusion.png", "reliability.png", "selective.png", "errors.png", "curves.png"}
    assert pictures | {"result.json", "recipe.json", "metrics.jsonl", "bundle"} <= names


def test_a_saved_model_says_the_same(fitted: Classifier, shapes: Path, tmp_path: Path) -> None:
    fitted.save(tmp_path / "kept")
    paths = sorted(shapes.rglob("*.png"))
    assert Classifier.load(tmp_path / "kept").predict(paths) == fitted.predict(paths)


def test_a_prediction_is_a_distribution_over_the_likeliest_classes(fitted: Classifier, shapes: Path) -> None:
    said = fitted.predict([shapes / "disc" / "disc0.png"])[0]
    assert said.label == said.top[0][0] == "disc"
    assert said.probability == said.top[0][1]
    assert sum(probability for _, probability in said.top) == pytest.approx(1)
    assert [value for _, value in said.top] == sorted((value for _, value in said.top), reverse=True)
    assert 0 < said.typicality <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (300, 40)])
def test_pictures_of_any_mode_and_size_are_answered(
    fitted: Classifier, tmp_path: Path, mode: str, size: tuple[int, int]
) -> None:
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "I;16") else "picture.png")
    Image.fromarray(shape_picture("disc", np.random.default_rng(0))).resize(size).convert(
        "L" if mode == "I;16" else mode
    ).convert(mode).save(path)
    said = fitted.predict([path])[0]
    assert said.error is None
    assert said.label in SHAPES


def test_a_picture_that_cannot_be_read_has_its_error_and_the_others_their_answers(
    fitted: Classifier, shapes: Path, tmp_path: Path
) -> None:
    fake = tmp_path / "text.jpg"
    fake.write_text("not a picture")
    said = fitted.predict([shapes / "bar" / "bar0.png", fake, tmp_path / "absent.png", shapes / "disc" / "disc0.png"])
    assert [bool(one.error) for one in said] == [False, True, True, False]
    assert said[1].as_json() == {"path": str(fake), "error": said[1].error}
    assert "text.jpg" in str(said[1].error)
    assert said[1].abstain
    assert said[3].label == "disc"


def test_answers_do_not_depend_on_the_batch(fitted: Classifier, shapes: Path) -> None:
    paths = sorted(shapes.rglob("*.png"))[:9]
    labels = [one.label for one in fitted.predict_stream(paths, batch=2)]
    assert labels == [one.label for one in fitted.predict(paths)]


def test_classes_are_matched_by_name_when_a_set_has_fewer(fitted: Classifier, shapes: Path, tmp_path: Path) -> None:
    for name in ("cross", "disc"):
        shutil.copytree(shapes / name, tmp_path / "some" / "test" / name)
    result = fitted.evaluate(tmp_path / "some")
    assert result.data.split == "test"
    assert result.data.n == 40
    assert result.metrics["accuracy"] >= 0.8
    assert result.metrics["per_class"]["bar"]["n"] == 0


def test_a_class_that_the_model_does_not_know_is_refused(fitted: Classifier, shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "more")
    shutil.copytree(shapes / "disc", tmp_path / "more" / "ring")
    with pytest.raises(DataError, match="does not know the classes ring"):
        fitted.evaluate(tmp_path / "more")


def test_a_grey_model_takes_colour_and_a_colour_model_grey(fitted: Classifier, tmp_path: Path) -> None:
    grey = write_shapes(tmp_path / "grey", each=12, grey=True)
    assert fitted.evaluate(grey, split="train").metrics["accuracy"] > 0.5
    model = Classifier(**SHORT).fit(grey, out=tmp_path / "run")
    assert model.channels == 1
    colour = write_shapes(tmp_path / "colour", each=3, seed=5)
    assert {one.label for one in model.predict(sorted(colour.rglob("*.png")))} == set(SHAPES)


def test_an_unlabelled_split_cannot_be_measured(fitted: Classifier, shapes: Path) -> None:
    with pytest.raises(DataError, match="no labelled split 'test'"):
        fitted.evaluate(shapes, split="test")


def test_a_model_of_another_task_is_refused(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model / "bundle", tmp_path / "other")
    manifest = tmp_path / "other" / "trine.json"
    manifest.write_text(manifest.read_text().replace('"task": "classify"', '"task": "detect"'))
    with pytest.raises(BundleError):
        Classifier.load(tmp_path / "other")


def test_skipped_files_and_rare_classes_are_named_before_the_training(shapes: Path, tmp_path: Path, heard) -> None:
    shutil.copytree(shapes, tmp_path / "worn")
    (tmp_path / "worn" / "bar" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    shutil.copytree(shapes / "disc", tmp_path / "worn" / "lone", ignore=lambda _, names: sorted(names)[1:])
    Classifier(**{**SHORT, "least_steps": 1}).fit(tmp_path / "worn", out=tmp_path / "run", report=heard)
    assert any("skipped" in line and "broken.png" in line for line in heard.notes)
    assert any("one picture only" in line and "lone" in line for line in heard.notes)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"bar": 5}, "one class"),
        ({"train/bar": 5, "train/disc": 5, "test/cross": 3}, "only the test split has cross"),
        ({"bar": 1, "disc": 1}, "no picture can be spared for validation"),
    ],
)
def test_sets_that_cannot_be_learned_from_leave_no_run_behind(
    shapes: Path, tmp_path: Path, layout: dict[str, int], message: str
) -> None:
    for folder, count in layout.items():
        (tmp_path / "bad" / folder).mkdir(parents=True)
        for path in sorted((shapes / folder.split("/")[-1]).iterdir())[:count]:
            shutil.copy(path, tmp_path / "bad" / folder)
    with pytest.raises(DataError, match=message):
        Classifier(**SHORT).fit(tmp_path / "bad", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("fit", "size", "said"), [("auto", 24, "padded"), ("crop", 12, "cropped")])
def test_pictures_that_are_not_square_become_squares_and_it_is_said(
    shapes: Path, tmp_path: Path, heard, fit: str, size: int, said: str
) -> None:
    for path in shapes.rglob("*.png"):
        wide = tmp_path / "wide" / path.parent.name / path.name
        wide.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((24, 12)).save(wide)
    settings = {**SHORT, "least_steps": 2, "fit": fit}
    model = Classifier(**settings).fit(tmp_path / "wide", out=tmp_path / "run", report=heard)
    assert model.size == size
    assert model.reading.fit == Classifier.load(tmp_path / "run").reading.fit == fit
    assert model.predict([next((tmp_path / "wide").rglob("*.png"))])[0].error is None
    assert any(f"of 60 pictures, 60 are {said}" in line for line in heard.notes)


def test_the_classic_network_learns_the_shapes_too(shapes: Path, tmp_path: Path) -> None:
    model = Classifier(**{**SHORT, "least_steps": 80}, network="classic", dropout=0.1).fit(shapes, out=tmp_path / "run")
    assert model.result
    assert model.result.metrics["accuracy"] > 0.6


def test_a_picture_gets_the_same_answer_as_a_path_bytes_a_file_an_image_and_an_array(fitted, shapes):
    path = sorted(shapes.rglob("*.png"))[0]
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    with path.open("rb") as file:
        answers = fitted.predict([path, str(path), path.read_bytes(), file, image, np.asarray(image)])
    assert [answer.path for answer in answers] == [str(path), str(path), *(f"picture {n}" for n in (3, 4, 5, 6))]
    assert all(answer.error is None for answer in answers)
    assert len({(answer.label, answer.probability, answer.typicality) for answer in answers}) == 1


def test_what_is_no_picture_has_an_error_with_its_name(fitted):
    answers = fitted.predict([b"no picture", np.zeros((4, 4), np.float32)])
    assert all(answer.error for answer in answers)
    assert "picture 1" in answers[0].error
    assert "picture 2" in answers[1].error


def test_a_lone_picture_is_a_list_of_one(fitted, shapes):
    path = shapes / "disc" / "disc0.png"
    (listed,) = fitted.predict([path])
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    for lone in (path, str(path), path.read_bytes(), image, np.asarray(image)):
        (answer,) = fitted.predict(lone)
        assert (answer.label, answer.probability) == (listed.label, listed.probability)
    assert len(fitted.predict(np.stack([np.asarray(image)] * 3))) == 3


def test_classes_are_read_from_names(shapes, tmp_path):
    (tmp_path / "flat").mkdir()
    for path in shapes.rglob("*.png"):
        shutil.copy(path, tmp_path / "flat")
    settings = {**SHORT, "least_steps": 2}
    model = Classifier(**settings, label_from="([a-z]+)[0-9]+[.]png$").fit(tmp_path / "flat", out=tmp_path / "run")
    assert model.classes == SHAPES
    assert Classifier.load(tmp_path / "run").evaluate(tmp_path / "flat").data.n == 6


def test_new_pictures_are_all_measured_and_those_of_the_training_where_they_were_held_out(fitted, shapes, tmp_path):
    new = write_shapes(tmp_path / "new", each=7, seed=9)
    measured = fitted.evaluate(new).data
    assert (measured.split, measured.n) == ("all", 21)
    held_out = fitted.evaluate(shapes).data
    assert (held_out.split, held_out.n) == ("validation", 6)
    assert fitted.evaluate(shapes, split="all").data.n == 60


def test_a_training_goes_on_from_a_model_with_another_class(fitted, model, tmp_path):
    data = write_shapes(tmp_path / "data", each=12, seed=4)
    (data / "disc").rename(data / "ring")
    short = {"least_steps": 1, "epochs": 0.1, "batch_size": 4, "validations": 0, "filter_rate": 1e-9, "head_rate": 1e-9}
    settings = {**short, "bias_rate": 1e-9}
    onward = Classifier(**settings).fit(data, out=tmp_path / "run", start=model)
    assert onward.classes == ("bar", "cross", "ring")
    assert (onward.recipe.widths, onward.size) == (fitted.recipe.widths, fitted.size)
    old, new = fitted.network.head.weight, onward.network.head.weight
    assert np.allclose(new[:2].detach(), old[:2].detach(), atol=1e-4)
    assert not np.allclose(new[2].detach(), old[2].detach(), atol=1e-2)
    assert np.array_equal(onward.network.stem.filters, fitted.network.stem.filters)


def test_a_training_that_goes_on_keeps_the_network_and_lowers_its_rates(fitted, model, shapes, tmp_path):
    with pytest.raises(
        UsageError, match=r"widths=\(8, 8\): the model to go on from has widths=\(16, 16\): leave it out"
    ):
        Classifier(widths=(8, 8)).fit(shapes, out=tmp_path / "run", start=model)
    assert not (tmp_path / "run").exists()
    settings = {"least_steps": 2, "epochs": 0.1, "validations": 0}
    grey = write_shapes(tmp_path / "grey", each=6, grey=True)
    onward = Classifier(**settings).fit(grey, out=tmp_path / "run", start=model)
    assert onward.channels == 3
    assert onward.recipe.filter_rate == pytest.approx(0.3 * Classifier().recipe.filter_rate)
