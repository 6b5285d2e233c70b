"""Compute, counted and measured: floating-point operations of real steps, the machine's own matrix rate, its name."""

import os
import platform
import resource
import sys
import time
from collections import ChainMap
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

VERSIONED = ("trine", "torch", "numpy", "Pillow", "safetensors", "pydantic", "scikit-learn")


def count_flops(work: Callable[[], Any]) -> tuple[Any, int]:
    """What `work` returns, and the floating-point operations of its matrix products and convolutions."""
    with _Counter() as counter:  # type: ignore[no-untyped-call]
        result = work()
    return result, counter.operations


def sgemm_gflops(size: int = 2048, repeats: int = 8) -> float:
    """The rate of single-precision matrix products on this machine now, in GFLOP/s (the best of the repeats)."""
    a, b = torch.randn(2, size, size)
    return max(2 * size**3 / _seconds(lambda: a @ b) for _ in range(repeats)) / 1e9


def machine() -> dict[str, Any]:
    """What this machine is: processor, cores and threads in use, memory, system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that figures depend on."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def peak_memory_gib() -> float:
    """The most memory this process has held so far, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (2**30 if sys.platform == "darwin" else 2**20)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _recurrent(inputs: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any, **__: Any) -> int:
    """torch has no formula for recurrent layers: two operations a weight, event and direction of the pass."""
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
"""Of an operation's cost, torch's own looked up when they are wanted: an operator of ours adds its formula there."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the operations of what is called while it is on, by torch's formulas.

    torch's own counter does so by module too, and imports the compiler, which takes longer than the steps it counts.
    """

    operations = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the wrapper that would make the compiler skip this class is what imports it

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
