"""How many tokens are masked in training, and which are known after each step of sampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness_maskgit import Schedule


def mask_probability(schedule: Schedule, r: Tensor, *, generation: str) -> Tensor:
    """Probability that a token is masked in training, at r in [0, 1), one for each image.

    Args: generation: v1 has r and r^2 where v2 has 1 - r and 1 - r^2, the others are the same; v1 has no root.
    Raises: ValueError for root in v1.
    """
    if schedule == "cosine":
        return torch.cos(r * math.pi / 2)
    if schedule == "arccos":
        return torch.arccos(r) / (math.pi / 2)
    if schedule == "root" and generation == "v1":
        raise ValueError("generation v1 has no schedule root")
    share = {"root": r.sqrt(), "linear": r, "square": r**2}[schedule]
    return share if generation == "v1" else 1 - share


def tokens_per_step(schedule: Schedule, steps: int, tokens: int) -> list[int]:
    """Tokens that each step of the v1 sampler fixes; they add up to `tokens`, the last number making up for rounding.

    The last number may be below 0 where there are fewer tokens than steps: at least one is fixed at each step.
    """
    r = torch.linspace(1, 0, steps)
    shares = {
        "root": 1 - r.sqrt(),
        "linear": 1 - r,
        "square": 1 - r**2,
        "cosine": torch.cos(r * math.pi / 2),
        "arccos": torch.arccos(r) / (math.pi / 2),
    }[schedule]
    if steps == 1:
        return [tokens]
    counts = (shares / shares.sum() * tokens).round().clamp(min=1).int().tolist()
    counts[-1] += tokens - sum(counts)
    return counts


def known_after_step(schedule: Schedule, steps: int, tokens: int) -> list[int]:
    """Tokens that the schedule of the v2 confidence sampler has known after each step, from 0 to `tokens`."""
    r = torch.linspace(0, 1, steps)
    shares = {
        "root": r.sqrt(),
        "linear": r,
        "square": r**2,
        "cosine": 1 - torch.cos(r * math.pi / 2),
        "arccos": 1 - torch.arccos(r) / (math.pi / 2),
    }[schedule]
    return (shares * tokens).int().tolist()


def halton_known_after_step(steps: int, tokens: int) -> list[int]:
    """Tokens in the order of `halton_order` that are known after each step: all at the end, and at least one more a step.

    With more steps than tokens the numbers pass that of the tokens.
    """
    ratio = torch.arange(1, steps + 1) / steps
    counts = ((1 - torch.arccos(ratio) / (math.pi / 2)) * tokens).int().tolist()
    return [max(step + 1, count) for step, count in enumerate(counts)]


def halton_order(side: int) -> Tensor:
    """Positions of a square grid, each once, in the order in which the 2-D Halton sequence first meets them.

    Returns: (side * side,) int64, row * side + column; rows go by base 2, columns by base 3, from point 1 on.
    """
    seen: dict[int, None] = {}
    index = 1
    while len(seen) < side * side:
        # In whole numbers: points fall on the edges of a grid whose side has factors of 3, and rounding would move them over.
        (row, rows), (column, columns) = radical_inverse(index, 2), radical_inverse(index, 3)
        seen.setdefault(side * row // rows * side + side * column // columns)
        index += 1
    return torch.tensor(list(seen))


def radical_inverse(index: int, base: int) -> tuple[int, int]:
    """The digits of `index` in `base` behind the point, in reverse order: a fraction in [0, 1), above and below its line."""
    value, denominator = 0, 1
    while index:
        index, digit = divmod(index, base)
        value, denominator = value * base + digit, denominator * base
    return value, denominator
