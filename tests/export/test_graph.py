import numpy as np
import onnx
import onnxruntime
import pytest

from trine.export.graph import joined, marked, without_ignored_edges
from trine.graphs import GRAPH, WEIGHTS

POOLED = """
<ir_version: 10, opset_import: ["": 20]>
pooled (float[batch, 2, {side}, {side}] x) => (float[batch, 3, {half}, {half}] y {also})
{{
  maps = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, filters)
  y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (maps)
  {more}
}}
"""
DOUBLED = """
<ir_version: 10, opset_import: ["": 20]>
doubled (float[batch] x, bool twice) => (float[batch] shown) <float[1] two = {2.0}, float[1] unused = {9.0}> {
  shown = If (twice) <
    then_branch = yes () => (float[batch] a) { a = Mul (x, two) },
    else_branch = no () => (float[batch] b) { b = Identity (x) }
  >
}
"""
ADDED = """
<ir_version: 10, opset_import: ["": 20]>
added (float[batch] shown) => (float[batch] y) <float[1] two = {3.0}> { a = Identity (shown)
 y = Add (a, two) }
"""


def run(model, **inputs):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)[0]


def pooled(side, also="", more=""):
    model = onnx.parser.parse_model(POOLED.format(side=side, half=side // 2, also=also, more=more))
    filters = np.random.default_rng(0).normal(size=(3, 2, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(filters, "filters"))
    return model


def pads(model):
    convolution = model.graph.node[0]
    return next(list(each.ints) for each in convolution.attribute if each.name == "pads")


@pytest.mark.parametrize(("side", "expected"), [(7, [1, 1, 0, 0]), (8, [1, 1, 1, 1]), (31, [1, 1, 0, 0])])
def test_a_convolution_leaves_out_the_edge_that_pooling_ignores(side, expected):
    x = np.random.default_rng(1).normal(size=(2, 2, side, side)).astype(np.float32)
    before = run(pooled(side), x=x)
    model = without_ignored_edges(pooled(side))
    assert pads(model) == expected
    assert np.allclose(run(model, x=x), before, atol=1e-6)


def test_maps_that_something_else_reads_keep_their_edge():
    model = pooled(7, ", float[batch, 3, 7, 7] z", "z = Relu (maps)")
    assert pads(without_ignored_edges(model)) == [1, 1, 1, 1]


@pytest.mark.parametrize(("twice", "expected"), [(True, 7.0), (False, 5.0)])
def test_joined_graphs_keep_their_own_values_of_the_same_name(twice, expected):
    model = joined(onnx.parser.parse_model(DOUBLED), onnx.parser.parse_model(ADDED))
    assert run(model, x=np.full(1, 2.0, np.float32), twice=np.array(twice)).tolist() == [expected]


def test_a_graph_says_what_it_is_and_holds_nothing_that_it_does_not_need():
    model = marked(joined(onnx.parser.parse_model(DOUBLED), onnx.parser.parse_model(ADDED)), "model", "abc")
    assert {each.key: each.value for each in model.metadata_props} == {GRAPH: "model", WEIGHTS: "abc"}
    assert sorted(onnx.numpy_helper.to_array(each)[0] for each in model.graph.initializer) == [2.0, 3.0]
    assert run(model, x=np.ones(1, np.float32), twice=np.array(True)).tolist() == [5.0]
