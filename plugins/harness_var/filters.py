"""Changes of a token's distribution in sampling: guidance, top-k and top-p."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.card_kernels import running_sum
from harness_var import VARSamplerConfig

UNGUIDED = {"ramp": 0.0, "constant": 0.0, "scale": 1.0}
"""The cfg that leaves logits alone, by the meaning of cfg."""


def guidance_weight(config: VARSamplerConfig, scale: int, scales: int) -> float:
    """Return t in (1 + t) cond - t null at scale number k of K; t = 0 is unguided.

    VAR's own rule is a ramp, t = cfg k / (K - 1): the first scale, a single token that sets the whole image's mean, is left
    unguided, and the last one has all of cfg. So cfg = 1 is guided here, unlike where cfg is a scale: null + cfg (cond - null)
    is (1 + t) cond - t null with t = cfg - 1.
    """
    if config.guidance == "ramp":
        return config.cfg * scale / max(scales - 1, 1)
    if config.guidance == "scale":
        return config.cfg - 1
    return config.cfg


def is_guided(config: VARSamplerConfig) -> bool:
    """Return False when the logits are those of the class alone at every scale."""
    return config.cfg != UNGUIDED[config.guidance]


def surviving(logits: Tensor, *, top_k: int = 0, top_p: float = 0.0) -> Tensor:
    """Return which codes survive the filters, (…, V) bool: first top-k, then top-p among those. 0 turns a filter off.

    Args:
        logits: (…, V).
        top_k: drops the codes whose logit is below the k-th largest; codes that tie with it stay.
        top_p: drops as many of the least likely codes as have a total probability of at most 1 - top_p. The likeliest code stays.
    """
    keep = torch.ones_like(logits, dtype=torch.bool)
    if top_k > 0:
        keep = logits >= logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]
    if top_p > 0:
        ascending, order = logits.masked_fill(~keep, -torch.inf).sort(dim=-1)
        survives = running_sum(ascending.softmax(-1)) > 1 - top_p
        survives[..., -1] = True
        keep = keep & torch.zeros_like(keep).scatter(-1, order, survives)  # back in the order of the codes
    return keep
