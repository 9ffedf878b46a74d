"""How many tokens are masked in training, and which are known after each step of sampling.

A schedule maps [0, 1] to [0, 1]. It may rise or fall: valeoai's two generations use one name for functions of different
directions. So each table of functions stands where it is used, as published.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness_maskgit import Schedule


def mask_probability(schedule: Schedule, r: Tensor, *, generation: str) -> Tensor:
    """Return the probability m(r) that a token is masked in training. r: in [0, 1), one for each image.

    cosine: cos(pi r / 2); arccos: (2 / pi) arccos r. linear and square are r and r² in generation v1, 1 - r and 1 - r² in v2,
    which also has root, 1 - sqrt(r).
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
    """Return how many tokens each step of the v1 sampler fixes: round(tokens * v_s / sum of v), and at least 1.

    v_s is the schedule at r_s, and r goes from 1 to 0 over the steps. The last number makes up for rounding, so that the numbers
    add up to `tokens`; it may be below 0 where there are fewer tokens than steps.
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
    """Return how many tokens the schedule of the v2 confidence sampler has known after each step, from 0 to `tokens`.

    The number is floor(tokens * v(r_s)), where r goes from 0 to 1 over the steps.
    """
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
    """Return how many tokens, in the order of `halton_order`, are known after each step s of S.

    The number is floor(tokens * (1 - (2 / pi) arccos((s + 1) / S))), and at least s + 1: all tokens at the end, and with more
    steps than tokens a number beyond them.
    """
    ratio = torch.arange(1, steps + 1) / steps
    counts = ((1 - torch.arccos(ratio) / (math.pi / 2)) * tokens).int().tolist()
    return [max(step + 1, count) for step, count in enumerate(counts)]


def halton_order(side: int) -> Tensor:
    """Return the positions of a square grid, each once, in the order in which the 2-D Halton sequence first meets them.

    Point i of the sequence is (h_2(i), h_3(i)) in the unit square, where h_b is the radical inverse in base b. The points spread
    evenly, whatever number of them is taken: every new one falls where the earlier ones have left the most room. A point's
    position is row floor(side * h_2), column floor(side * h_3). The sequence starts with point 1.

    Returns: (side * side,) int64, row * side + column.
    Source: Halton 1960; Besnier et al. 2025.
    """
    order: dict[int, None] = {}  # a dictionary keeps the order in which positions came first
    index = 1
    while len(order) < side * side:
        # In whole numbers: where a side has factors of 3, points fall on edges of the grid, and rounding would move them over.
        (row, rows), (column, columns) = radical_inverse(index, 2), radical_inverse(index, 3)
        order.setdefault(side * row // rows * side + side * column // columns)
        index += 1
    return torch.tensor(list(order))


def radical_inverse(index: int, base: int) -> tuple[int, int]:
    """Return the fraction in [0, 1) whose digits behind the point are those of `index` in reverse: numerator, denominator.

    With index = d_0 + d_1 b + d_2 b² + …, it is d_0 / b + d_1 / b² + d_2 / b³ + …
    """
    numerator, denominator = 0, 1
    while index:
        index, digit = divmod(index, base)
        numerator, denominator = numerator * base + digit, denominator * base
    return numerator, denominator
