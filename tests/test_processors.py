"""Threads: those of the processors, and no more than the user's limit."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from trine.graphs import GRAPH, WEIGHTS, Graph
from trine.processors import own_processors, thread_limit, threads_each


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (None, None),
        ("", None),
        ("3", 3),
        (" 2 ", 2),
        ("4,2", 4),
        ("0", None),
        ("-1", None),
        ("many", None),
        ("²", None),
    ],
)
def test_the_limit_is_read_as_openmp_writes_it(
    monkeypatch: pytest.MonkeyPatch, text: str | None, limit: int | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    if text is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert thread_limit() == limit


def test_processes_share_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    own = own_processors()
    assert [threads_each(count) for count in (1, own, own + 1)] == [own, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert (threads_each(1), own_processors()) == (1, own)


@pytest.mark.parametrize(("given", "used"), [(None, 3), (2, 2)])
def test_an_exported_model_obeys_the_limit_too(monkeypatch: pytest.MonkeyPatch, given: int | None, used: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    shape = (
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1]),
    )
    model = helper.make_model(
        helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [shape[0]], [shape[1]]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    helper.set_model_props(model, {GRAPH: "model", WEIGHTS: "of"})
    graph = Graph(model.SerializeToString(), "model", "of", "here", given)
    assert graph.session.get_session_options().intra_op_num_threads == used
    assert graph.run(x=np.ones(1, np.float32))["y"] == -1
    assert onnx.checker.check_model(model) is None
