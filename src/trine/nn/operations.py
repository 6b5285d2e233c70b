"""Counts the floating-point operations of real training steps."""

from collections import ChainMap
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def count_flops(work: Callable[[], Any]) -> tuple[Any, int]:
    """The result of `work`, and the number of floating-point operations of its matrix products and convolutions."""
    with _Counter() as counter:  # type: ignore[no-untyped-call]
        result = work()
    return result, counter.operations


def _recurrent(inputs: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any, **__: Any) -> int:
    """Two operations per weight and event. torch has no formula for recurrent layers."""
    return 2 * inputs.shape[0] * inputs.shape[1] * (w_input.shape[:2].numel() + w_hidden.shape[:2].numel())


def _recurrent_backward(inputs: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any, **__: Any) -> int:
    return 2 * _recurrent(inputs, w_input, w_hidden)


FORMULAS = ChainMap[Any, Callable[..., int]](
    {
        torch.ops.aten.mkldnn_rnn_layer: _recurrent,
        torch.ops.aten.mkldnn_rnn_layer_backward: _recurrent_backward,
    },
    flop_registry,
)
"""The formula for each operator's cost. torch's registry is looked up at each call, because modules imported later add
formulas to it."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the operations of every operator that is called while it is active.

    torch's own counter also counts per module, and imports torch's compiler, which takes longer than the steps that are
    counted.
    """

    operations = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch wraps this class for its compiler, and imports the compiler to do so

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        formula, named = FORMULAS.get(call.overloadpacket), kwargs or {}
        if formula is None:
            with self:
                parts = call.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
        result = call(*args, **named)
        if formula is not None:
            self.operations += formula(*args, **named, out_val=result)
        return result
