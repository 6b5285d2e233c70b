import json

import numpy as np
import pytest
import torch

from trine import Detector, bundle
from trine.errors import ExportError
from trine.sequences.vocabulary import BEGIN, EncodedTable

pytestmark = pytest.mark.long

PROGRAMS = (("open", "read", "read", "close"), ("socket", "send", "recv", "close"), ("fork", "exec", "wait"))
SMALL = {
    "embedding": 8,
    "hidden": 12,
    "epochs": 4,
    "least_steps": 1,
    "batch_size": 8,
    "folds": 2,
    "members": ("either", "counts"),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """80 sequences of 8 to 30 events, each event with a time and a process."""
    draw, rows = np.random.default_rng(0), []
    for i in range(80):
        events = list(PROGRAMS[i % 3]) * int(draw.integers(2, 8))
        times = 1e6 + 500 * i + np.cumsum(draw.exponential(size=len(events)))
        rows.append({"events": events, "times": times.tolist(), "process": [f"p{i % 4}"] * len(events)})
    path = tmp_path_factory.mktemp("runs") / "runs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fitted(table, folder, **settings):
    return Detector(**{**SMALL, **settings}).fit(table, out=folder / "run", device="cpu", test=False)


@pytest.fixture(scope="module")
def detector(table, tmp_path_factory):
    """A detector with an LSTM, and its bundle with graphs."""
    folder = tmp_path_factory.mktemp("detector")
    model = fitted(table, folder)
    model.export(folder / "bundle", data=table)
    return model, folder / "bundle"


def step_by_graph(graph, model, events, states):
    codes = np.array([[model.vocabulary.code(word) for word in events]])
    answer = graph.run(events=codes, **states)
    return answer, {name: answer[f"{name}_after"] for name in states}


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 2), ("gru", 1), ("rnn", 1)])
def test_a_step_gives_the_surprisals_of_the_package(table, tmp_path, open_graph, cell, layers):
    model = fitted(table, tmp_path, cell=cell, layers=layers)
    proof = model.export(tmp_path / "bundle", data=table)["graphs"]["model"]["proof"]
    assert proof["source"] == "held-out sequences of runs.jsonl"
    assert proof["largest_difference"]["surprisals"] < 1e-4
    graph = open_graph(tmp_path / "bundle")
    zeros = np.zeros((2, layers, 3, 12), np.float32)
    names = [name for name in ("hidden", "cell") if name in graph.inputs]
    begun = graph.run(events=np.full((1, 3), BEGIN), **dict.fromkeys(names, zeros))
    states, kept = {name: begun[f"{name}_after"] for name in names}, [None] * 3
    for events in (("open", "fork", "never seen"), ("read", "exec", "open"), ("close", "send", "read")):
        answer, states = step_by_graph(graph, model, events, states)
        kept, expected = model.step(kept, events)
        assert np.allclose(answer["surprisals"].mean(0)[0], expected, atol=1e-5)


def test_sequences_of_any_length_are_scored_at_once(table, detector, open_graph):
    model, folder = detector
    read = model.read(table)
    encoded = EncodedTable.of(read, model.vocabulary)
    length = int(encoded.lengths[0])
    codes = np.concatenate([[BEGIN], encoded.codes[0]]).astype(np.int64)[:, None]
    zeros = np.zeros((2, 1, 1, 12), np.float32)
    nats = open_graph(folder).run(events=codes, hidden=zeros, cell=zeros)["surprisals"][:, 1:, 0]
    assert np.allclose(nats.mean(0), model.surprisal(read)["event"][:length], atol=1e-4)
    from trine.detect.surprisal import event_surprisal

    for fold, network in enumerate(model.networks):
        assert np.allclose(nats[fold], event_surprisal(network, encoded)[:length], atol=1e-5)


def test_attributes_are_columns_of_their_own(table, tmp_path, open_graph):
    model = fitted(table, tmp_path, attributes=("process", "time"))
    document = model.export(tmp_path / "bundle", data=table)
    names = [port["name"] for port in document["graphs"]["model"]["inputs"]]
    assert names == ["events", "column/process", "column/time", "hidden", "cell"]
    graph = open_graph(tmp_path / "bundle")
    kept, _ = model.step([None], ["open"], process=["p1"], time=[""])
    _, (expected,) = model.step(kept, ["read"], process=["p1"], time=["2.5"])
    zeros = np.zeros((2, 1, 1, 12), np.float32)
    code = model.vocabulary.code
    columns = {
        "events": [BEGIN, code("open"), code("read")],
        "column/process": [BEGIN, code("p1", "process"), code("p1", "process")],
        "column/time": [BEGIN, code("", "time"), code("2.5", "time")],
    }
    given = {name: np.array(values)[:, None] for name, values in columns.items()}
    answer = graph.run(**given, hidden=zeros, cell=zeros)
    assert np.isclose(answer["surprisals"][:, 2, 0].mean(), expected, atol=1e-5)
    assert answer["surprisals/time"].shape == (2, 3, 1)


def test_the_most_expected_events_are_those_of_the_mean_of_the_folds(detector, open_graph):
    model, folder = detector
    zeros = np.zeros((2, 1, 1, 12), np.float32)
    codes = np.array([[BEGIN], [model.vocabulary.code("open")], [model.vocabulary.code("read")]])
    answer = open_graph(folder).run(events=codes, hidden=zeros, cell=zeros)
    with torch.inference_mode():
        chances = [
            torch.softmax(net({"event": torch.from_numpy(codes[:2].T)})[0]["event"][0, 1], 0) for net in model.networks
        ]
    best = torch.stack(chances).mean(0).topk(5)
    assert answer["expected"][2, 0].tolist() == best.indices.tolist()
    assert np.allclose(answer["expected_probabilities"][2, 0], best.values.numpy(), atol=1e-6)


def test_without_its_data_a_detector_is_proved_on_sequences_that_it_samples(detector, tmp_path):
    document = detector[0].export(tmp_path / "bundle")
    proof = document["graphs"]["model"]["proof"]
    assert proof["source"] == "sequences sampled from the network"
    assert proof["inputs"] >= 256


def test_a_detector_that_only_counts_has_no_graph(table, tmp_path):
    model = fitted(table, tmp_path, members=["counting"])
    assert model.export(tmp_path / "bundle")["graphs"] == {}
    assert "model.onnx" not in bundle.read_manifest(tmp_path / "bundle").files


def test_eight_bits_lose_little_auc_and_most_of_the_size(table, tmp_path):
    model = fitted(table, tmp_path, hidden=96, embedding=96)
    document = model.export(tmp_path / "bundle", int8=True, data=table)
    figures = document["int8"]
    assert figures["auc_fp32"] - figures["auc"] <= 0.005
    assert figures["size"] < 0.5
    assert (tmp_path / "bundle" / "model.int8.onnx").stat().st_size < 0.5 * (
        tmp_path / "bundle/model.onnx"
    ).stat().st_size


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_eight_bits_are_for_lstms_alone(table, tmp_path, cell):
    model = fitted(table, tmp_path, cell=cell)
    with pytest.raises(ExportError, match="only detectors with an LSTM are exported as 8-bit numbers"):
        model.export(tmp_path / "bundle", int8=True, data=table)
    assert not (tmp_path / "bundle").exists()
