import json
import sys

import pytest

from trine import bundle


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from trine import Classifier

    settings = {"network": "classic", "widths": [8], "epochs": 1, "least_steps": 20, "validations": 0}
    folder = tmp_path_factory.mktemp("run") / "run"
    Classifier(**settings).fit("digits", out=folder, device="cpu", test=False)
    return folder


def test_a_run_is_exported_into_its_bundle_and_the_proof_is_printed(trine, run):
    said = trine("export", run)
    assert said.status == 0
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert rows[0] == ["# graph", "figure", "value", "accepted"]
    figures = {(row[0], row[1]): row[2:] for row in rows[1:]}
    difference, accepted = figures["model", "probabilities, largest difference"]
    assert float(difference) <= float(accepted) == 1e-5
    assert figures["model", "equal decisions"][0] == "100.00 %"
    assert figures["model", "compared on"][0] == "256: validation and train of digits"
    assert (run / "bundle" / "model.onnx").is_file()


def test_json_is_what_the_manifest_says(trine, run, tmp_path):
    said = trine("export", run, "--out", tmp_path / "copy", "--json")
    assert json.loads(said.out) == bundle.read_manifest(tmp_path / "copy").export


def test_what_is_no_model_is_one_line(trine, tmp_path):
    said = trine("export", tmp_path)
    assert (said.status, said.out) == (1, "")
    assert "not a model" in said.err
    assert said.err.count("\n") == 1


def test_without_the_extra_one_line_says_what_to_install(trine, run, monkeypatch):
    monkeypatch.delitem(sys.modules, "trine.export.exporter", raising=False)
    monkeypatch.delitem(sys.modules, "trine.export.graph", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = trine("export", run)
    assert said.status == 2
    assert said.err == "trine: onnx is not installed: pip install 'trine[export]' brings it\n"
