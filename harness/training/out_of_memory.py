"""Out-of-memory errors: the errors of all allocators are turned into one message, which names the setting to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.errors import UserError, first_line
from harness.training.config import TrainingConfig

SIGNS = ("can't allocate memory", "out of memory", "not enough memory")
"""Words in the RuntimeErrors of torch's CPU allocator, oneDNN and cuDNN, which have no class of their own."""


@contextmanager
def out_of_memory_advice(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error of the block into one message with `advice`, which names the setting to lower.

    Raises: UserError in the place of an out-of-memory error. Other errors pass unchanged.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        text = first_line(str(error)) or type(error).__name__  # Python's own MemoryError has no text
        raise UserError(f"out of memory: {advice} ({text[:200]})") from error


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out, on the CPU or on a GPU."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return any(sign in str(error) for sign in SIGNS)


def micro_batch_advice(training: TrainingConfig) -> str:
    """Return the advice to a user when a step does not fit into memory."""
    now = f"the whole batch of {training.batch}" if training.micro_batch is None else str(training.micro_batch)
    return f"lower `training: micro_batch` (now {now}), which leaves the gradients as they are"
