"""From a network to an ONNX graph: traced, joined, named, described."""

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from trine.graphs import GRAPH, OPSET, WEIGHTS, as_port

IR_VERSION = 10
"""Version of ONNX's file format: the first with the operators of opset 20 and later."""
POOLING = {"kernel_shape": [2, 2], "strides": [2, 2]}
DEFAULTS: Mapping[str, Any] = {
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "dilations": [1, 1],
    "pads": [0, 0, 0, 0],
    "storage_order": 0,
}
"""Attributes of 2×2 pooling without overlap, and ONNX's defaults of the others."""
BEFORE = "before/"
"""What names of a graph that stands before a network begin with."""
DYNAMIC = torch.export.Dim.DYNAMIC
Inputs = Mapping[str, tuple[Tensor, Sequence[str | None]]]
"""Per input of a graph an example, and the name of each axis; None for an axis of fixed length."""


def traced(module: nn.Module, inputs: Inputs, outputs: Mapping[str, Sequence[str | None]]) -> ModelProto:
    """The graph of a module in evaluation mode.

    outputs   per output the name of each axis; None for an axis of fixed length
    """
    examples = tuple(example for example, _ in inputs.values())
    each = tuple({i: DYNAMIC for i, axis in enumerate(axes) if axis} for _, axes in inputs.values())
    named = [kind for kind in inspect.signature(module.forward).parameters.values() if kind.kind != kind.VAR_POSITIONAL]
    shapes = (*each[: len(named)], each[len(named) :]) if len(each) > len(named) else each
    with torch.no_grad(), _quiet():
        program: Any = torch.onnx.export(
            module.eval(),
            examples,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model: ModelProto = program.model_proto
    model.ir_version = IR_VERSION
    for value in [*model.graph.input, *model.graph.output]:
        axes = inputs[value.name][1] if value.name in inputs else outputs[value.name]
        name_axes(value, axes)
    return model


def name_axes(value: onnx.ValueInfoProto, axes: Sequence[str | None]) -> None:
    """Name the axes of an input or output; those of fixed length keep it."""
    for dimension, axis in zip(value.type.tensor_type.shape.dim, axes, strict=True):
        if axis is not None:
            dimension.dim_param = axis


def joined(first: ModelProto, second: ModelProto) -> ModelProto:
    """One graph: the outputs of the first are the inputs of the second with the same names."""
    links = [(value.name, value.name) for value in first.graph.output]
    apart = ModelProto()
    apart.CopyFrom(first)
    _rename(apart.graph, {value.name for value in [*first.graph.input, *first.graph.output]})
    model: ModelProto = onnx.compose.merge_models(apart, second, io_map=links)
    model.ir_version = IR_VERSION
    del model.opset_import[1:]  # both have the same
    return model


def without_ignored_edges(model: ModelProto) -> ModelProto:
    """The graph without what 2×2 pooling ignores: the last row or column of convolutions of an odd side."""
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        pooled = readers.get(node.output[0], [])
        if node.op_type == "Conv" and len(pooled) == 1 and _settings(pooled[0], "MaxPool") == POOLING:
            pads = next((attribute for attribute in node.attribute if attribute.name == "pads"), None)
            sides = shapes.get(node.output[0], [])[2:]
            if pads is not None and list(pads.ints) == [1, 1, 1, 1] and len(sides) == 2 and all(sides):
                pads.ints[2:] = [1 - side % 2 for side in sides]
    del model.graph.value_info[:]
    return model


def _settings(node: onnx.NodeProto, kind: str) -> dict[str, Any] | None:
    """The attributes of a node of this kind that are not ONNX's defaults; None for another kind."""
    if node.op_type != kind:
        return None
    found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value for name, value in found.items() if DEFAULTS.get(name, ()) != value}


def marked(model: ModelProto, name: str, weights: str) -> ModelProto:
    """The graph as it is written: it says which graph of which model it is, and holds nothing that it does not need.

    weights   sha256 of the model's weights
    """
    kept = ModelProto()
    kept.CopyFrom(model)
    used = set().union(*map(names_read, kept.graph.node), (value.name for value in kept.graph.output))
    for value in [value for value in kept.graph.initializer if value.name not in used]:
        kept.graph.initializer.remove(value)
    del kept.graph.value_info[:]
    for node in kept.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in [*kept.graph.input, *kept.graph.output, *kept.graph.initializer]:
        value.ClearField("doc_string")
        del value.metadata_props[:]
    kept.graph.name, kept.producer_name = name, "trine"
    kept.ClearField("producer_version")
    del kept.metadata_props[:], kept.graph.metadata_props[:]
    onnx.helper.set_model_props(kept, {GRAPH: name, WEIGHTS: weights})
    onnx.checker.check_model(kept)
    return kept


def ports(values: Sequence[onnx.ValueInfoProto]) -> list[dict[str, Any]]:
    """Inputs or outputs of a graph as `trine.json` describes them."""
    return [
        as_port(
            value.name,
            onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name,
            [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim],
        )
        for value in values
    ]


def _rename(graph: onnx.GraphProto, kept: set[str]) -> None:
    """Mark all names of a graph but those kept, so that no other graph has them.

    `onnx.compose.add_prefix` forgets what graphs inside it read of the graph around them.
    """

    def renamed(name: str) -> str:
        return name if not name or name in kept else f"{BEFORE}{name}"

    for value in [*graph.initializer, *graph.input, *graph.output, *graph.value_info]:
        value.name = renamed(value.name)
    for node in graph.node:
        node.input[:], node.output[:] = map(renamed, node.input), map(renamed, node.output)
        for inner in _inner_graphs(node):
            _rename(inner, kept)


def _inner_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The branches of a node."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def names_read(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, and its branches from the graph around them."""
    read = set(node.input)
    for inner in _inner_graphs(node):
        made = {name for each in inner.node for name in each.output} | {value.name for value in inner.initializer}
        outputs = {value.name for value in inner.output}
        read |= set().union(*map(names_read, inner.node), outputs) - made
    return read


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings and remarks, which are about other packages and its own future."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
