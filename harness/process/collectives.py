"""Collectives: calls with which the processes of a job exchange tensors within a step, by gloo on CPUs and NCCL on cards."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import torch
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
    with _environment():
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    return Collectives(rank, size)


def leave() -> None:
    """Leave the group of an earlier job of this process, if there is one."""
    with suppress(RuntimeError):  # the others have gone already
        if distributed.is_initialized():
            distributed.destroy_process_group()


@contextmanager
def _environment() -> Iterator[None]:
    """Set what gloo reads of the environment while a group begins, and put it back afterwards.

    torch also replaces the hook of uncaught errors, which is put back too: it would write a rank before every line.
    """
    before, hook = dict(os.environ), sys.excepthook
    if any(name == LOOPBACK for _, name in socket.if_nameindex()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)  # all processes are on this machine
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.excepthook = hook
