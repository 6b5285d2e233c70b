"""Bulk work and searches on a cluster of two nodes, each in time: actors on every processor would wait for ever."""

import json
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.cluster.conftest import LIMIT
from trine.cluster import inputs
from trine.cluster.actors import actors, engine_for
from trine.cluster.engine import Cluster, Node
from trine.errors import UsageError

pytestmark = pytest.mark.long


def answers(folder: Path) -> list[dict]:
    return [row for path in sorted(folder.glob("part-*")) for row in parquet.read_table(path).to_pylist()]


@pytest.mark.ray
def test_two_nodes_write_what_one_process_writes(nodes, start_trine, classifier, photos, tmp_path):
    damaged = photos.parent / "no-picture.png"
    damaged.write_bytes(b"no picture")
    nodes.add(cpus=1)
    nodes.add(cpus=1)
    words = ("classify", "predict", classifier, photos, damaged, "--json")
    process = start_trine(*words, "--into", tmp_path / "two", "--cluster", nodes.address)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, err  # one picture is damaged
    summary = json.loads(out)
    assert (summary["rows"], summary["failed"]) == (49, 1)
    alone = start_trine(*words, "--into", tmp_path / "one")
    alone.communicate(timeout=LIMIT)
    assert answers(tmp_path / "two") == answers(tmp_path / "one")
    again = start_trine(*words, "--into", tmp_path / "two", "--cluster", nodes.address)
    out, err = again.communicate(timeout=LIMIT)
    assert json.loads(out)["kept"] == summary["parts"], err


@pytest.mark.ray
def test_a_search_on_two_nodes_finds_a_recipe(nodes, start_trine, tmp_path):
    pytest.importorskip("optuna")
    nodes.add(cpus=1)
    nodes.add(cpus=1)
    sets = ("--set", "widths=[8,16]", "--set", "epochs=0.1", "--set", "least_steps=12", "--set", "validations=2")
    words = ("classify", "tune", "digits28", "--network", "fast", *sets, "--device", "cpu", "--trials", "3", "--json")
    process = start_trine(*words, "--out", tmp_path / "search", "--cluster", nodes.address)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert len(found["trials"]) == 3
    assert {} in [trial["settings"] for trial in found["trials"]], "the recipe as it is"
    best = found["trials"][0]
    assert best["score"] == min(trial["score"] for trial in found["trials"] if trial["state"] == "complete")
    recipe = json.loads(Path(found["recipe"]).read_text())
    assert all(recipe[name] == value for name, value in best["settings"].items())
    assert not (tmp_path / "search" / ".ray").exists()


def test_a_cluster_of_one_processor_is_refused(monkeypatch):
    cluster = Cluster(here=False)
    monkeypatch.setattr(Cluster, "nodes", lambda self: [Node("a", "10.0.0.1", 1, 0)])
    with pytest.raises(UsageError, match="has 1 CPU, and bulk work needs 2: one reads, the others compute"):
        actors(cluster, None)


def test_one_machine_alone_needs_no_cluster(monkeypatch, classifier, photos, tmp_path):
    from trine.cluster import actors as module
    from trine.cluster.bulk import run
    from trine.cluster.jobs import Predict

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(module, "running_here", lambda: None)
    monkeypatch.setattr(module, "connected", lambda address: pytest.fail("Ray was started"))
    with engine_for("auto", 1) as engine, inputs.picture_blocks([str(photos)]) as (blocks, _):
        assert run(Predict(classifier), blocks, str(tmp_path / "answers"), engine).rows == 48
