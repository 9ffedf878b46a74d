"""Collectives: calls with which the processes of a job exchange tensors within a step, by gloo on CPUs and NCCL on cards."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from torch import Tensor, distributed
from torch._C._distributed_c10d import FileStore

LONGEST_WAIT = timedelta(days=7)
"""A process may wait for the lead while it writes or measures. Whether a process has ended is seen by its pipe, not by a time."""
MEETING = "meeting"
LOOPBACK = "lo"


class Collectives:
    """The group that `harness.sampling.sharing` shares rows with."""

    def __init__(self, rank: int, size: int) -> None:
        self._rank, self._size = rank, size

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return self._rank

    @property
    def size(self) -> int:
        """The number of processes."""
        return self._size

    def gather(self, part: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, which have one shape and type, by rank."""
        sent = part.view(torch.uint8) if part.dtype is torch.bool else part
        parts = [torch.empty_like(sent, memory_format=torch.contiguous_format) for _ in range(self.size)]
        distributed.all_gather(parts, sent.contiguous())
        return [each.view(part.dtype) for each in parts]

    def mean_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over all processes, the same bits in each."""
        distributed.all_reduce(tensor)
        tensor /= self.size


def join(folder: Path, rank: int, size: int, device: torch.device) -> Collectives:
    """Meet the other processes of the job in a folder. Returns when all are there.

    Tensors on a card go through NCCL, those on the CPU through gloo.
    """
    leave()
    store = FileStore(str(folder / MEETING), size)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with _environment(rank, size):
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
        PartialState(cpu=device.type == "cpu")  # so that accelerate's own objects, such as its autocast, know of the group
    return Collectives(rank, size)


def leave() -> None:
    """Leave the group of an earlier job of this process, if there is one."""
    with suppress(RuntimeError):  # the others have gone already
        if distributed.is_initialized():
            distributed.destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)


@contextmanager
def _environment(rank: int, size: int) -> Iterator[None]:
    """Set what torch and accelerate read of the environment while a group begins, and put it back afterwards."""
    names = {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(size),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),  # accelerate would choose another number of threads
    }
    if any(name == LOOPBACK for _, name in socket.if_nameindex()):
        names |= {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", LOOPBACK)}  # all processes are on this machine
    before = dict(os.environ)
    os.environ.update(names)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
