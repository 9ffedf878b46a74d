"""Operations that have no deterministic kernel on a card, made of others that have one.

Without them a board that asks for deterministic kernels, as boards do by default, could not train or sample with these operations
on a card. On a CPU they are torch's own operations, bit for bit.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional


def is_needed(x: Tensor) -> bool:
    """Return whether a tensor is on a card whose kernels must be deterministic."""
    return x.is_cuda and torch.are_deterministic_algorithms_enabled()


def running_sum(x: Tensor, dim: int = -1) -> Tensor:
    """Return `x.cumsum(dim)`. On a card, PyTorch 2.11 has no deterministic one for floats."""
    if not is_needed(x) or not x.is_floating_point():
        return x.cumsum(dim)
    sums, length, reach = x.movedim(dim, -1), x.shape[dim], 1
    while reach < length:  # each place then holds the sum of the last 2 * reach numbers
        sums = torch.cat([sums[..., :reach], sums[..., reach:] + sums[..., :-reach]], -1)
        reach *= 2
    return sums.movedim(-1, dim)


def token_losses(logits: Tensor, tokens: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of each token, (B, L), in nats. logits: (B, L, V); tokens: (B, L) int64.

    torch's loss of a whole table of tokens has no deterministic kernel on a card; its loss of a list of them has.
    """
    if not is_needed(logits):
        return functional.cross_entropy(logits.mT, tokens, reduction="none", label_smoothing=label_smoothing)
    flat = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none", label_smoothing=label_smoothing)
    return flat.view(tokens.shape)


def enlarged(x: Tensor, side: int) -> Tensor:
    """Return images (B, C, H, W) at the size (B, C, side, side), by bicubic interpolation.

    torch's has no deterministic gradient on a card. It is linear in rows and in columns: where a gradient is asked for there, the
    result is a product with the weights of both.
    """
    if not (is_needed(x) and x.requires_grad and torch.is_grad_enabled()):
        return functional.interpolate(x, (side, side), mode="bicubic", align_corners=False)
    with torch.autocast(x.device.type, enabled=False):
        rows, columns = (_weights(size, side).to(x) for size in x.shape[-2:])
        return rows @ x @ columns.T


@lru_cache(maxsize=64)
def _weights(size: int, side: int) -> Tensor:
    """Return what each of `size` places adds to each of `side` places, (side, size), float32, on the CPU."""
    each = torch.eye(size)[:, None, :, None]  # one image for each place, a column of the height `size`
    return functional.interpolate(each, (side, 1), mode="bicubic", align_corners=False)[:, 0, :, 0].T.contiguous()
