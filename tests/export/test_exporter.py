"""The way of an export: what is written, and that nothing is where the proof fails."""

import json
import shutil

import numpy as np
import pytest

import trine
from trine import bundle, files
from trine.errors import BundleError, ExportError
from trine.export import classifier as of_classifiers
from trine.export.exporter import export_bundle


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def saved(digits, tmp_path):
    digits.save(tmp_path / "saved")
    return tmp_path / "saved"


def test_graphs_are_files_of_the_bundle_with_their_checksums(digits_exported):
    manifest = bundle.read_manifest(digits_exported)
    for name in ("model.onnx", "maps.onnx"):
        assert manifest.files[name] == files.sha256(digits_exported / name)
    assert manifest.export["opset"] == 20
    assert {"onnx", "onnxscript", "onnxruntime", "torch"} <= set(manifest.export["versions"])


def test_a_bundle_with_graphs_is_still_the_model(digits, digits_exported):
    images = list(digits.open("digits").splits["validation"].images[:5])
    assert trine.load(digits_exported).predict(images) == digits.predict(images)


def test_a_proof_that_fails_writes_nothing(saved, tmp_path, monkeypatch, trace_once):
    monkeypatch.setitem(of_classifiers.TOLERANCE, "probabilities", 1e-12)
    before = contents(saved)
    reason = r"model\.onnx does not agree with the network: probabilities differ by .*e-.*: nothing is written"
    with pytest.raises(ExportError, match=reason):
        export_bundle(saved)
    assert contents(saved) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved"]


@pytest.mark.long
def test_a_graph_that_computes_something_else_is_found_by_its_proof(saved, monkeypatch):
    """A network whose batch norms are forgotten instead of folded."""

    def forgetful(network):
        from torch import nn

        copied = network_copy(network)
        for block in copied.blocks:
            for index, part in enumerate(block):
                if isinstance(part, nn.BatchNorm2d):
                    block[index] = nn.Identity()
        return copied

    import copy

    network_copy = copy.deepcopy
    monkeypatch.setattr(of_classifiers, "for_inference", forgetful)
    before = contents(saved)
    with pytest.raises(ExportError, match="nothing is written"):
        export_bundle(saved)
    assert contents(saved) == before


def test_a_copy_has_the_files_of_the_model_and_leaves_it_as_it_is(saved, tmp_path, trace_once):
    before = contents(saved)
    document = export_bundle(saved, tmp_path / "copy")
    assert contents(saved) == before
    assert set(contents(tmp_path / "copy")) == {*before, "model.onnx", "maps.onnx"}
    assert bundle.read_manifest(tmp_path / "copy").export == document


def test_an_export_again_takes_the_place_of_the_earlier_one(digits_exported, tmp_path):
    shutil.copytree(digits_exported, tmp_path / "model")
    manifest = bundle.read_manifest(tmp_path / "model")
    bundle.extend(tmp_path / "model", tmp_path / "model", {"other.onnx": b"graph"}, {"graphs": {}})
    assert "model.onnx" not in contents(tmp_path / "model")
    assert bundle.read(tmp_path / "model")[0].content == manifest.content


def test_a_folder_of_something_else_is_never_replaced(digits_exported, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"precious")
    with pytest.raises(BundleError, match="is neither empty nor a model, and is left unchanged"):
        bundle.extend(digits_exported, tmp_path / "photos", {}, {"graphs": {}})
    assert contents(tmp_path / "photos") == {"cat.jpg": b"precious"}


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "README.md"])
def test_a_flipped_byte_is_found_when_the_bundle_is_read_and_when_it_is_extended(digits_exported, tmp_path, name):
    shutil.copytree(digits_exported, tmp_path / "model")
    content = bytearray((tmp_path / "model" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: altered or truncated \(its checksum differs\)"):
        trine.load(tmp_path / "model")
    if not name.endswith(".onnx"):  # graphs are left out, and written anew
        with pytest.raises(BundleError, match=rf"{name}: altered or truncated \(its checksum differs\)"):
            bundle.extend(tmp_path / "model", tmp_path / "model", {}, {"graphs": {}})


def test_a_model_that_is_not_exported_is_written_as_before_there_were_exports(saved):
    assert "export" not in json.loads((saved / "trine.json").read_text())


@pytest.mark.long
def test_eight_bits_need_the_labelled_pictures_of_the_training(tmp_path, make_folder):
    from trine import Classifier

    photos = make_folder({"cat": 12, "dog": 12})
    settings = {"network": "classic", "widths": [4], "epochs": 1, "least_steps": 2, "validations": 0}
    model = Classifier(**settings).fit(photos, out=tmp_path / "run", device="cpu", test=False)
    with pytest.raises(ExportError, match="are not at hand: name them with --data"):
        model.export(tmp_path / "out", int8=True)
    proof = model.export(tmp_path / "out")["graphs"]["model"]["proof"]
    assert proof["source"] == "photographs of scikit-learn"
    assert proof["equal_decisions"] > 0.99


def test_eight_bits_that_lose_too_much_are_refused_and_nothing_is_written(digits, tmp_path, monkeypatch, trace_once):
    from trine.export import quantise

    monkeypatch.setitem(quantise.LOSS, "accuracy", -1.0)
    with pytest.raises(ExportError, match=r"--int8: accuracy falls from 0\.\d+ to 0\.\d+, by more than .* --int8"):
        digits.export(tmp_path / "out", int8=True)
    assert not (tmp_path / "out").exists()


def test_eight_bits_say_what_they_lose_and_gain(digits, tmp_path, open_graph, trace_once):
    figures = digits.export(tmp_path / "out", int8=True)["int8"]
    assert figures["accuracy_fp32"] - figures["accuracy"] <= 0.005
    assert figures["gain"] == pytest.approx(figures["per_second"] / figures["per_second_fp32"], rel=1e-4)
    assert (figures["note"] is None) == (figures["gain"] >= 1.1)
    images = np.array(digits.open("digits").splits["validation"].images)
    whole, eight = (
        open_graph(tmp_path / "out", name).run(pictures=images, views=np.array(True))["probabilities"]
        for name in ("model", "model.int8")
    )
    assert (whole.argmax(1) == eight.argmax(1)).mean() > 0.97
    assert not np.array_equal(whole, eight)
