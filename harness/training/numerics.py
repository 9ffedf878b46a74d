"""How a network computes in training: memory format, precision, compilation. Sampling and evaluation are float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from harness.errors import UserError
from harness.training.config import TrainingConfig


def prepare(model: torch.nn.Module, training: TrainingConfig) -> None:
    """Bring a network into the format that the settings ask for, in place; names and values of its weights stay."""
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    if training.compile:
        model.compile()


def autocast(device: torch.device, training: TrainingConfig) -> AbstractContextManager[object]:
    """The context of a training step: bfloat16 where the settings say so, nothing otherwise."""
    if training.precision == "float32":
        return nullcontext()
    from accelerate import Accelerator

    return Accelerator(cpu=device.type == "cpu", mixed_precision="bf16").autocast()


def in_float32(device: torch.device) -> torch.autocast:
    """A context without autocast: for what is a small difference of large numbers, and for sampling."""
    return torch.autocast(device.type, enabled=False)


@contextmanager
def out_of_memory_means(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error into one message with `advice`: which setting to lower. Others pass.

    Raises: UserError.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise UserError(f"out of memory: {advice} ({str(error).splitlines()[0][:200]})") from error


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error)  # the CPU allocator raises plain RuntimeErrors, and so do oneDNN and cuDNN
    return any(sign in text for sign in ("can't allocate memory", "out of memory", "not enough memory"))
