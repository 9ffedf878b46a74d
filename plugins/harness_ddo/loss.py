"""The objective of DDO, apart from any model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def ddo_loss(ratio_real: Tensor, ratio_fake: Tensor, *, alpha: float, beta: float, dropped: Tensor | None = None) -> Tensor:
    """Binary classification of real against generated, with the log-likelihood ratio as the logit.

    Args:
        ratio_real, ratio_fake: (B,), log p_theta - log p_ref in nats, of real examples and of the reference's samples.
        alpha: weight of the generated half.
        beta: scale of the ratios. The loss pulls p_theta to p_ref^(1 - 1/beta) * p_data^(1/beta), up to what a
        normalised
            density can follow: to p_data at 1 (with alpha = 1), and beyond it, away from p_ref, below.
        dropped: (B,) bool, pairs that lost their label: the real one weighs max(alpha, 1), the fake nothing.
    Returns: 0-dim, the batch mean; (1 + alpha) log 2 where both ratios are 0.
    Source: arXiv 2503.01103.
    """
    # log(1 - sigmoid(z)) = logsigmoid(-z), which neither overflows nor loses the digits of a confident logit.
    real, fake = -F.logsigmoid(beta * ratio_real), -alpha * F.logsigmoid(-beta * ratio_fake)
    if dropped is None:
        return (real + fake).mean()
    return torch.where(dropped, max(alpha, 1.0) * real, real + fake).mean()
