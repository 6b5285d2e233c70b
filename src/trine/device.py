"""Where a network computes: device, precision, and the other processes of a run under torchrun or Ray Train."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
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

    @property
    def alone(self) -> "Device":
        """The same device, without the other processes."""
        return replace(self, rank=0, world=1)

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
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if name == "cuda" and world > 1:
        own_cuda_index(torch.cuda.device_count())
    bfloat16 = _computes_in_bfloat16(name) if precision == "auto" else precision == "bfloat16"
    return Device(name, bfloat16, rank, world)


def own_cuda_index(count: int) -> int:
    """Index of the CUDA device of this process among the `count` that it sees: that of its `LOCAL_RANK`.

    Where `CUDA_VISIBLE_DEVICES` names a single device, whoever started the process has chosen it. Raises `UsageError`
    where two processes would take the same device: nccl refuses that.
    """
    index = int(os.environ.get("LOCAL_RANK", "0"))
    if index < count:
        return index
    if count == 1 and "," not in os.environ.get("CUDA_VISIBLE_DEVICES", ","):
        return 0
    raise UsageError(
        f"process {index + 1} of this machine has no CUDA device of its own among {count}: start at most {count} "
        "processes per machine, or use --device cpu"
    )


@contextlib.contextmanager
def together(device: Device) -> Iterator[None]:
    """Join the process group of torchrun, if any, for the duration of the block; one that is there already is used.

    On CUDA each process computes on a device of its own from here on.
    """
    if device.world == 1:
        yield
        return
    own = None
    if device.name == "cuda":
        own = torch.device("cuda", own_cuda_index(torch.cuda.device_count()))
        torch.cuda.set_device(own)
    if torch.distributed.is_initialized():
        yield
        return
    torch.distributed.init_process_group("nccl" if own else "gloo", device_id=own)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _computes_in_bfloat16(name: str) -> bool:
    if name == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return name == "cuda" and torch.cuda.is_bf16_supported()
