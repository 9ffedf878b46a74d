"""TF32, the short float format in which cards compute float32 convolutions unless it is switched off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def switch_off() -> None:
    """Let cards compute products and convolutions of float32 in float32. By default torch computes convolutions in TF32.

    TF32 keeps 10 bits of the mantissa. The logarithms of ratios of densities, which some methods train on, are small differences
    of large numbers, and would be lost in that.
    """
    _set(on=False)


@contextmanager
def switched_on() -> Iterator[None]:
    """Let cards compute products and convolutions of float32 in TF32 inside the block; afterwards it is off."""
    _set(on=True)
    try:
        yield
    finally:
        _set(on=False)


def is_on() -> bool:
    """Return whether some float32 operation on a card may be computed in TF32 now."""
    import torch

    try:
        return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return True  # kinds of operations differ, so that one of them is in TF32


def _set(*, on: bool) -> None:
    import torch

    # Not by `cuda.matmul.allow_tf32`: torch then refuses to tell the precision.
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on
