"""Bundles that are not what they seem: each is refused in a line that says what to do."""

import json
import shutil

import onnx
import pytest

from trine import runtime
from trine.errors import BundleError

GRAPHS = [("classifier", "model"), ("detector", "model"), ("generator", "encoder"), ("generator", "prior")]


@pytest.fixture
def copy(tmp_path, request):
    def make(kind):
        folder = tmp_path / kind
        shutil.copytree(request.getfixturevalue(kind), folder)
        return folder

    return make


def refusal(folder, error=BundleError, **options):
    with pytest.raises(error) as problem:
        runtime.load(folder, **options)
    assert "\n" not in str(problem.value)
    return str(problem.value)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "name"), GRAPHS)
def test_a_flipped_byte_in_any_file_is_noticed(copy, kind, name):
    folder = copy(kind)
    for path in (folder / f"{name}.onnx", folder / "model.safetensors", folder / "trine.json"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        whole = path.read_bytes()
        path.write_bytes(content)
        assert path.name in refusal(folder)
        path.write_bytes(whole)
    assert runtime.load(folder)


@pytest.mark.parametrize(("kind", "name"), GRAPHS)
def test_a_graph_that_is_missing_or_empty_is_refused(copy, kind, name):
    folder = copy(kind)
    (folder / f"{name}.onnx").write_bytes(b"")
    assert f"{name}.onnx: altered or truncated" in refusal(folder)
    (folder / f"{name}.onnx").unlink()
    assert f"{name}.onnx: missing" in refusal(folder)


@pytest.mark.parametrize(("kind", "name"), GRAPHS)
def test_a_graph_edited_by_hand_is_refused(copy, kind, name):
    folder = copy(kind)
    graph = onnx.load(folder / f"{name}.onnx")
    graph.doc_string = "a small change"
    onnx.save(graph, folder / f"{name}.onnx")
    assert f"{name}.onnx: altered or truncated (its checksum differs)" in refusal(folder)


@pytest.mark.parametrize(("kind", "name"), GRAPHS)
def test_the_graph_of_another_model_under_the_right_name_is_refused_even_with_right_checksums(
    copy, resealed, classifier, detector, kind, name
):
    folder = copy(kind)
    other = detector if kind != "detector" else classifier
    shutil.copyfile(other / "model.onnx", folder / f"{name}.onnx")
    resealed(folder)
    assert f"{name}.onnx: a graph of another model: export the model again" in refusal(folder)


def test_a_graph_under_the_name_of_another_of_the_same_model_is_refused(copy, resealed):
    folder = copy("generator")
    shutil.copyfile(folder / "decoder.onnx", folder / "encoder.onnx")
    resealed(folder)
    assert "encoder.onnx: a graph of another model" in refusal(folder)


@pytest.mark.parametrize(("kind", "name"), GRAPHS)
def test_a_graph_of_operators_that_this_onnxruntime_does_not_know_is_refused(copy, resealed, kind, name):
    folder = copy(kind)
    graph = onnx.load(folder / f"{name}.onnx")
    graph.opset_import[0].version = 999
    onnx.save(graph, folder / f"{name}.onnx")
    resealed(folder)
    said = refusal(folder)
    assert f"{name}.onnx: onnxruntime " in said
    assert "export the model again, or upgrade onnxruntime" in said


def test_bytes_that_are_no_graph_are_refused_even_with_right_checksums(copy, resealed):
    folder = copy("classifier")
    (folder / "model.onnx").write_bytes(b"no graph")
    resealed(folder)
    assert "model.onnx: onnxruntime " in refusal(folder)


def test_a_model_that_was_not_exported_says_how(copy, resealed):
    folder = copy("classifier")
    for path in folder.glob("*.onnx"):
        path.unlink()
    resealed(folder, export={})
    expected = f"{folder}: has no graphs yet: run `trine export {folder}` where trine[export] is installed"
    assert refusal(folder) == expected


def test_a_description_without_the_graph_says_to_export(copy, resealed):
    folder = copy("classifier")
    document = json.loads((folder / "trine.json").read_text())["export"]
    resealed(folder, export={**document, "graphs": {}})
    assert "the model has no graph 'model': run `trine export" in refusal(folder)


def test_eight_bit_numbers_that_were_not_exported_are_said(detector):
    assert "the model has no graph 'model.int8': run `trine export" in refusal(detector, int8=True)


@pytest.mark.parametrize("content", [{}, {"classes": ["a"]}, {"classes": 3}])
def test_content_of_another_version_is_one_line(copy, resealed, content):
    folder = copy("classifier")
    resealed(folder, content=content)
    assert "made for another version of Trine" in refusal(folder)


def test_what_is_no_model_or_of_an_unknown_task_is_said(copy, resealed, tmp_path):
    assert "no such model" in refusal(tmp_path / "nothing")
    folder = copy("classifier")
    resealed(folder, task="translate")
    assert "a model of the task translate: this version does not know it: upgrade Trine" in refusal(folder)
