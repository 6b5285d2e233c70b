"""A graph is opened if it is the one that the bundle says, and refused in one line else."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from trine.errors import BundleError
from trine.graphs import GRAPH, WEIGHTS, Graph

onnx = pytest.importorskip("onnx")


def doubling(factor=2.0, opset=20, **metadata):
    """An ONNX file that multiplies its input."""
    from onnx import TensorProto, helper

    shape = ["batch", 2]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    helper.set_model_props(model, metadata or {GRAPH: "model", WEIGHTS: "abc"})
    return model.SerializeToString()


@pytest.fixture
def bundled(tmp_path):
    """A folder with a graph, and what its manifest says of it."""

    def make(content=None):
        (tmp_path / "model.onnx").write_bytes(content or doubling())
        sums = {"model.onnx": hashlib.sha256(doubling()).hexdigest(), "model.safetensors": "abc"}
        return tmp_path, "model", {"graphs": {"model": {"file": "model.onnx"}}}, sums

    return make


def test_a_graph_is_opened_and_gives_its_outputs_by_name(bundled):
    graph = Graph.of_bundle(*bundled())
    assert graph.inputs == ("x",)
    assert graph.run(x=np.ones((3, 2), np.float32))["y"].tolist() == [[2, 2]] * 3


def test_a_flipped_byte_is_refused(bundled):
    content = bytearray(doubling())
    content[len(content) // 2] ^= 1
    with pytest.raises(BundleError, match=r"model\.onnx: altered or truncated \(its checksum differs\)"):
        Graph.of_bundle(*bundled(bytes(content)))


def test_a_graph_edited_by_hand_is_refused(bundled):
    with pytest.raises(BundleError, match=r"model\.onnx: altered or truncated \(its checksum differs\)"):
        Graph.of_bundle(*bundled(doubling(factor=3.0)))


def test_a_missing_graph_is_refused(bundled):
    folder, *further = bundled()
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: missing"):
        Graph.of_bundle(folder, *further)


def test_a_model_without_graphs_says_how_to_get_them(bundled):
    folder, *_ = bundled()
    with pytest.raises(BundleError, match="the model has no graph 'model': run `trine export"):
        Graph.of_bundle(folder, "model", {}, {})


@pytest.mark.parametrize(
    "metadata",
    [{GRAPH: "model", WEIGHTS: "another"}, {GRAPH: "decoder", WEIGHTS: "abc"}, {"made by": "hand"}],
)
def test_the_graph_of_another_model_is_refused_even_with_a_right_checksum(metadata):
    with pytest.raises(BundleError, match="a graph of another model: export the model again"):
        Graph(doubling(**metadata), "model", "abc", "model.onnx")


@pytest.mark.parametrize("content", [doubling(opset=999), b"", b"no graph at all", doubling()[:-40]])
def test_what_onnxruntime_cannot_read_is_refused_in_one_line(content):
    with pytest.raises(BundleError, match=r"model\.onnx: ") as refused:
        Graph(content, "model", "abc", "model.onnx")
    assert "\n" not in str(refused.value)


def test_an_unknown_opset_says_what_to_do():
    with pytest.raises(BundleError, match=r"Opset 999 .*export the model again, or upgrade onnxruntime"):
        Graph(doubling(opset=999), "model", "abc", "model.onnx")


def test_graphs_need_no_torch():
    code = "import sys, trine.graphs; sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
