"""Out-of-memory errors: the errors of all allocators are turned into one message, which names the setting to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.errors import UserError, first_line

SIGNS = ("can't allocate memory", "out of memory", "not enough memory", "_STATUS_ALLOC_FAILED")
"""Words in the RuntimeErrors of torch's CPU allocator, oneDNN, cuDNN and cuBLAS, which have no class of their own."""
NOTHING_TO_LOWER = "no setting lowers what one {what} takes: take a card with more memory, or fewer jobs on this one (`--jobs`)"


def advice(setting: str, tried: int, what: str, *, now: str = "", note: str = "") -> str:
    """Return which setting to lower, and to what, after a number of examples did not fit.

    Args:
        setting: the setting as a user writes it.
        tried: examples that were at work at once when memory ran out.
        what: a word for one of them: `sample`.
        now: the setting's value, where it is not `tried`.
        note: what else lowering it does, as the rest of a sentence.
    """
    if tried <= 1:
        return NOTHING_TO_LOWER.format(what=what)
    did = f"{tried:,} {what}s at once were tried: lower `{setting}`"
    return f"{did} (now {now or tried}; {tried // 2} takes about half){note}"


@contextmanager
def out_of_memory_advice(text: str) -> Iterator[None]:
    """Turn an out-of-memory error of the block into one message with this advice, which names the setting to lower.

    Blocks may lie within each other: the innermost knows best what was tried, and its message passes the others unchanged.

    Raises: UserError in the place of an out-of-memory error. Other errors pass unchanged.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        said = first_line(str(error)) or type(error).__name__  # Python's own MemoryError has no text
        raise UserError(f"out of memory: {text} ({said[:200]})") from error


@contextmanager
def card_memory_advice() -> Iterator[None]:
    """Turn an out-of-memory error of a card into one message, where no block within knew what to lower.

    Raises: UserError in its place. Other errors pass unchanged: of those of the CPU, the place in the code says more.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        said = first_line(str(error))[:200]
        raise UserError(f"out of memory: {NOTHING_TO_LOWER.format(what='network')} ({said})") from error


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out, on the CPU or on a GPU."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return any(sign in str(error) for sign in SIGNS)
