"""Classifier-free guidance of networks that give logits of tokens. Source: Ho & Salimans 2022, Eq. 6.

The network is called once with twice as many rows: the first n rows have the images' labels, the last n rows the null label.
Their logits are combined as (1 + t) cond - t null, which is cond + t (cond - null); t = 0 is no guidance, and then the
sampler calls the network with n rows only.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rows_with_null(labels: Tensor, null_label: int) -> Tensor:
    """Return the labels of a guided call, (2n,): those of the images (n,), and then n null labels."""
    return torch.cat([labels, torch.full_like(labels, null_label)])


def all_null(n: int, null_label: int, device: torch.device) -> Tensor:
    """Return n null labels, (n,) int64: what the rows of an unguided call have where the data have no labels."""
    return torch.full((n,), null_label, device=device)


def guided_logits(logits: Tensor, weight: float) -> Tensor:
    """Return (1 + t) cond - t null, (n, …), from the logits (2n, …) of a guided call. weight: t."""
    cond, null = logits.chunk(2)
    return (1 + weight) * cond - weight * null


def wide(logits: Tensor) -> Tensor:
    """Return half-precision logits as float32: a log-softmax over thousands of codes loses its digits in less."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
