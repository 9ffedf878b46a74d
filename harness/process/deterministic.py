"""Deterministic kernels of a card: switched on unless a board says otherwise, and named where an operation has none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UserError, first_line

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
SIGNS = ("does not have a deterministic implementation", "Deterministic behavior was enabled")
"""Words in the RuntimeErrors of an operation without a deterministic kernel, and of cuBLAS without a workspace of fixed size."""


def switch(on: bool) -> None:
    """Let a card compute with deterministic kernels alone, or with the fastest ones. Call it before the card is used.

    A deterministic kernel gives the same bits for the same input. The fastest ones may add in another order each time.
    """
    import torch
    import torch.utils.deterministic as settings

    if on:
        os.environ.setdefault(WORKSPACE, ":4096:8")  # deterministic cuBLAS needs a workspace of fixed size
    torch.use_deterministic_algorithms(on)
    # torch would write NaN into every new tensor: a kernel more for each operation, which only finds code that reads what it has
    # not written.
    settings.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.benchmark = not on  # which tries kernels out, and may choose another one in the next process


def is_on() -> bool:
    """Return whether torch uses deterministic kernels alone."""
    import torch

    return torch.are_deterministic_algorithms_enabled()


@contextmanager
def advice() -> Iterator[None]:
    """Turn the error of an operation without a deterministic kernel into one message that names the setting.

    Raises: UserError in its place. Other errors pass unchanged.
    """
    try:
        yield
    except RuntimeError as error:
        said = first_line(str(error))
        if not any(sign in said for sign in SIGNS):
            raise
        raise UserError(
            f"no deterministic kernel: {said.partition(', but you set')[0][:200]}; write `deterministic: false` on the board, "
            "and cells run with the kernels that there are: a second run then gives other last digits, and records say so"
        ) from error
