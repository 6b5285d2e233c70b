"""Graphs of 8-bit numbers: convolutions with ranges from real pictures, LSTMs with ranges measured as they run."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from trine.export.graph import names_read

LOSS = {"accuracy": 0.005, "auc": 0.005}
"""Largest loss of accuracy or AUC, as a share of 1, with which a graph of 8-bit numbers is accepted."""
WORTH = 1.1
"""Ratio of the rates from which this processor counts as gaining by 8-bit numbers."""
SECONDS = 0.3
"""Time that a rate is measured for, after one unmeasured run."""
CONVOLUTION, POOLING, LSTM, TABLE, PRODUCTS = "Conv", "MaxPool", "LSTM", "Gather", ("MatMul", "Gemm")
"""Names of ONNX's operators."""


def of_convolutions(graph: ModelProto, inputs: Iterable[Mapping[str, np.ndarray]], folder: Path) -> ModelProto:
    """The graph with its convolutions in 8-bit numbers, one scale per channel of the weights.

    The first convolution stays as it is: its filters need the digits, and it costs little.

    inputs   real inputs, on which the range of every value is measured
    folder   for files in between
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    first = next(i for i, node in enumerate(graph.graph.node) if node.op_type == CONVOLUTION)
    with _quiet():
        quantize_static(
            _named(graph, folder / "whole.onnx"),
            folder / "static.onnx",
            _Inputs(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[CONVOLUTION, POOLING],
            nodes_to_exclude=[_node_name(first, CONVOLUTION)],
            per_channel=True,
            reduce_range=True,  # without it, sums of two products overflow on processors without VNNI
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
    return _in_order(onnx.load(folder / "static.onnx"))


def of_recurrence(graph: ModelProto, folder: Path) -> ModelProto:
    """The graph with the weights of embeddings, LSTMs and last layers in 8-bit numbers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            _named(graph, folder / "whole.onnx"),
            folder / "dynamic.onnx",
            op_types_to_quantize=[LSTM, TABLE, *PRODUCTS],
            per_channel=False,  # with a scale per channel, sums of two products overflow on processors without VNNI
            weight_type=QuantType.QInt8,
        )
    return _in_order(onnx.load(folder / "dynamic.onnx"))


def per_second(work: Callable[[], Any], count: int) -> float:
    """Things per second of processor time, of `count` that one call works on: the best of the calls of `SECONDS`."""
    work()
    end, best = time.perf_counter() + SECONDS, float("inf")
    while time.perf_counter() < end:
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return count / best


def compared(
    figure: str, whole: float, eight: float, contents: Sequence[bytes], rates: Sequence[float]
) -> dict[str, Any]:
    """The figures of a graph of 8-bit numbers beside those in single precision.

    figure   accuracy or auc
    contents, rates   of the graph in single precision, then of that in 8-bit numbers
    """
    gain = rates[1] / rates[0]
    return {
        f"{figure}_fp32": whole,
        figure: eight,
        "size": len(contents[1]) / len(contents[0]),
        "per_second_fp32": rates[0],
        "per_second": rates[1],
        "gain": gain,
        "note": None if gain >= WORTH else "this processor gains nothing by it",
    }


def refusal(figure: str, whole: float, eight: float) -> str | None:
    """Why a graph of 8-bit numbers is refused; None where it is not."""
    if whole - eight <= LOSS[figure]:
        return None
    return f"{figure} falls from {whole:.4f} to {eight:.4f}, by more than {LOSS[figure]:g}"


class _Inputs:
    """Inputs one after the other, as onnxruntime's calibration asks for them."""

    def __init__(self, inputs: Iterable[Mapping[str, np.ndarray]]) -> None:
        self.left = iter(inputs)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self.left, None)


def _named(graph: ModelProto, path: Path) -> Path:
    """The graph as a file, each node with a name of its own, by which onnxruntime's quantisation tells them apart."""
    named = ModelProto()
    named.CopyFrom(graph)
    for number, node in enumerate(named.graph.node):
        node.name = _node_name(number, node.op_type)
    path.write_bytes(named.SerializeToString())
    return path


def _node_name(number: int, kind: str) -> str:
    return f"{number} {kind}"


def _in_order(model: ModelProto) -> ModelProto:
    """The nodes in an order in which each comes after those that it reads.

    onnxruntime's quantisation forgets what the branches of a node read.
    """
    made = {value.name for value in [*model.graph.input, *model.graph.initializer]} | {""}
    left, ordered = list(model.graph.node), []
    while left:
        waiting = []
        for node in left:
            if names_read(node) <= made:
                ordered.append(node)
                made.update(node.output)
            else:
                waiting.append(node)
        left = waiting
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice of onnxruntime's quantisation."""
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.setLevel(level)
