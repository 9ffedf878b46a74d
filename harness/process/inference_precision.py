"""Precisions in which a network may compute where it is not trained: where samples are drawn or features extracted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator

from harness.process import tf32

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
FULL: Precision = "fp32"


def _short_name(value: object) -> object:
    return "fp32" if value == "float32" else value  # training's name for it


PrecisionField = Annotated[Precision, BeforeValidator(_short_name)]
"""A setting with a precision. `float32`, which training's setting calls it, is taken for `fp32`."""


@contextmanager
def computing_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """Let torch compute in a precision inside the block, whatever the precision around it.

    fp32 is exact. tf32 rounds the inputs of products and convolutions to 10 bits on cards that can, and nothing elsewhere. bf16
    and fp16 are autocast: products and convolutions take inputs of 16 bits, sums and norms stay in float32.
    """
    import torch

    autocast = torch.autocast(
        device.type,
        dtype=_dtype(precision),
        enabled=precision in ("bf16", "fp16"),
        # Autocast keeps the weights that it has rounded until the outermost block ends: those of a step around this block have
        # another type, or are older than the last update, and those of this block would have no gradient in the step.
        cache_enabled=not torch.is_autocast_enabled(device.type),
    )
    with autocast, tf32.switched_on() if precision == "tf32" and device.type == "cuda" else nullcontext():
        yield


def as_float32(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor of 16-bit floats as float32, and any other one as it is."""
    import torch

    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def _dtype(precision: Precision) -> torch.dtype:
    import torch

    return torch.float16 if precision == "fp16" else torch.bfloat16
