"""Where a training runs: device, precision, and the other processes when torchrun started several."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

from trine.errors import UsageError

T = TypeVar("T")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Device:
    """A device, the arithmetic used on it, and this process's place among its peers."""

    name: str
    bfloat16: bool
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """The context in which networks compute."""
        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.bfloat16)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model as it takes part in a step: alone, or averaging its gradients with the other processes."""
        if self.world == 1:
            return model
        return nn.parallel.DistributedDataParallel(model)

    def agree(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.world == 1:
            return value
        shared = [value]
        torch.distributed.broadcast_object_list(shared)
        return shared[0]

    def total(self, values: Tensor) -> Tensor:
        """The sum of all processes' values, in all of them."""
        if self.world == 1:
            return values
        summed = values.to(self.name, copy=True)
        torch.distributed.all_reduce(summed)
        return summed.to(values.device)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.world > 1:
            torch.distributed.barrier()

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """The first process does what follows before the others do: they find its files in place."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()


def choose(name: str = "auto", precision: str = "auto") -> Device:
    """The device to use. Raises `UsageError` when it is not there."""
    if name not in DEVICES:
        raise UsageError(f"device {name!r} is not known: choose one of {', '.join(DEVICES)}")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if available[candidate])
    if not available[name]:
        raise UsageError(f"device {name!r} is not on this machine: use --device cpu")
    bfloat16 = _computes_in_bfloat16(name) if precision == "auto" else precision == "bfloat16"
    return Device(name, bfloat16, int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextlib.contextmanager
def together(device: Device) -> Iterator[None]:
    """Join the processes that torchrun started, if any, for the length of a training."""
    if device.world == 1:
        yield
        return
    torch.distributed.init_process_group("nccl" if device.name == "cuda" else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _computes_in_bfloat16(name: str) -> bool:
    if name == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return name == "cuda" and torch.cuda.is_bf16_supported()
