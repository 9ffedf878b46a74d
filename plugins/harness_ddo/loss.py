"""The objective of DDO, apart from any model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def ddo_loss(ratio_real: Tensor, ratio_fake: Tensor, *, alpha: float, beta: float, dropped: Tensor | None = None) -> Tensor:
    """Classify real against generated examples, with a log-likelihood ratio as the classifier's logit.

    The GAN discriminator between data and the samples of a frozen p_ref that is optimal for a generator p_theta is
    p_theta / (p_theta + p_ref) = s(r), with r = log p_theta - log p_ref and s the sigmoid. DDO trains p_theta through it:

        L = - E_data log s(beta r) - alpha E_ref log(1 - s(beta r))

    With beta = alpha = 1 the minimum is at p_theta = p_data. A beta below 1 aims beyond the data: it sharpens as guidance does,
    so that rounds must be short. The p_ref^(1 - 1/beta) p_data^(1/beta) of Theorem 3.3, up to normalisation, is the minimum where
    p_theta need not sum to 1; docs/methods/ddo.md has an example of how far the true one is from it. For a diffusion model r is
    one draw of a bound, and by Jensen's inequality (-log s is convex) L is then an upper bound.

    Args:
        ratio_real, ratio_fake: (B,), r = log p_theta - log p_ref, of real examples and of samples of the reference.
        alpha: weight of the generated half. beta: scale of the ratios.
        dropped: (B,) bool, pairs that lost their label: their real example weighs max(alpha, 1), their fake nothing.
    Returns: 0-dim, the mean over the batch. Where theta is the reference and no pair is dropped, it is (1 + alpha) log 2.
    Source: arXiv 2503.01103, Section 3; the rule of dropped pairs is that of its published code for VAR.
    """
    # log(1 - s(z)) = log s(-z), and logsigmoid neither overflows nor loses the digits of a confident logit.
    real, fake = -F.logsigmoid(beta * ratio_real), -alpha * F.logsigmoid(-beta * ratio_fake)
    if dropped is None:
        return (real + fake).mean()
    return torch.where(dropped, max(alpha, 1.0) * real, real + fake).mean()
