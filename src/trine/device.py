"""Where a network computes: device, precision, and the other processes of a run under torchrun."""

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
    """A device, its arithmetic, and the rank of this process."""

    name: str
    bfloat16: bool
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports to the user."""
        return self.rank == 0

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """The context manager for computations of networks."""
        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.bfloat16)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network for training steps: as it is, or with gradients averaged over the processes."""
        if self.world == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def agree(self, value: T) -> T:
        """The first process's value, in all processes."""
        if self.world == 1:
            return value
        shared = [value]
        torch.distributed.broadcast_object_list(shared)
        return shared[0]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, in all processes."""
        if self.world == 1:
            return values
        summed = values.to(self.name, copy=True)
        torch.distributed.all_reduce(summed)
        return summed.to(values.device)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            torch.distributed.barrier()

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the block in the first process before the others: they find its files."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()


def choose(name: str = "auto", precision: str = "auto") -> Device:
    """The device to use; auto prefers cuda, then mps. Raises `UsageError` when it is not available."""
    if name not in DEVICES:
        raise UsageError(f"device {name!r} is not known: choose one of {', '.join(DEVICES)}")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if available[candidate])
    if not available[name]:
        raise UsageError(f"device {name!r} is not available on this machine: use --device cpu")
    bfloat16 = _computes_in_bfloat16(name) if precision == "auto" else precision == "bfloat16"
    return Device(name, bfloat16, int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextlib.contextmanager
def together(device: Device) -> Iterator[None]:
    """Join the process group of torchrun, if any, for the duration of the block."""
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
