"""What changes a token's distribution in sampling: guidance, top-k and top-p."""

from __future__ import annotations

import torch
from torch import Tensor

from harness_var import VARSamplerConfig


def guidance_weight(config: VARSamplerConfig, scale: int, scales: int) -> float:
    """t in (1 + t) cond - t null, at scale number `scale` of `scales`, by `config.guidance`; 0 is unguided."""
    if config.guidance == "ramp":
        return config.cfg * scale / max(scales - 1, 1)
    return config.cfg - (config.guidance == "scale")


def is_guided(config: VARSamplerConfig) -> bool:
    """False when the logits are those of the class alone at every scale."""
    return config.cfg != (config.guidance == "scale")


def kept(logits: Tensor, *, top_k: int = 0, top_p: float = 0.0) -> Tensor:
    """Which codes survive the filters, (…, V) bool: top-k first, then top-p on what is left. 0 turns a filter off.

    Args:
        logits: (…, V).
        top_k: drops logits below the k-th largest; those that tie with it stay.
        top_p: drops the least likely codes, whose probabilities add up to 1 - top_p at most, and never the likeliest.
    """
    keep = torch.ones_like(logits, dtype=torch.bool)
    if top_k > 0:
        keep = logits >= logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]
    if top_p > 0:
        ascending, order = logits.masked_fill(~keep, -torch.inf).sort(dim=-1)
        enough = ascending.softmax(-1).cumsum(-1) > 1 - top_p
        enough[..., -1] = True
        keep = keep & torch.zeros_like(keep).scatter(-1, order, enough)
    return keep
