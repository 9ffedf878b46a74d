"""Power-function averages of weights: tracked during training, and reconstructed afterwards for any length.

An average of exponent g at time t weighs the weights theta(s) of an earlier time s by a power of s,

    average(t) = integral over s in [0, t] of p(s) theta(s) ds,    p(s) = (g + 1) s^g / t^(g + 1),

so that the average forgets the beginning of training, and becomes longer as training goes on. The length of an average is given
as `std`, the standard deviation of the profile p relative to t (sigma_rel in the paper). Times count training images.
Source: Karras et al. 2024 (arXiv 2312.02696), section 3 and appendix C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]


@cache  # asked for at each step
def exponent(std: float) -> float:
    """Return the exponent g of an average of relative length `std`. Raises: ValueError unless 0 < std < 0.2886 (g = 0)."""
    if not 0 < std < 12**-0.5:  # a uniform profile, g = 0, has the standard deviation 1 / sqrt(12)
        raise ValueError(f"a power-function average has a relative length above 0 and below 0.2886, not {std}")
    # On [0, 1] the profile is the Beta(g + 1, 1) density, whose variance is std^2 = (g + 1) / ((g + 2)^2 (g + 3)).
    # With v = std^-2, that is g^3 + 7 g^2 + (16 - v) g + (12 - v) = 0.
    inverse = std**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def decay(std: float, seen: float, batch: float) -> float:
    """Return the decay of an average at a step, in [0, 1]. The step does `average <- decay * average + (1 - decay) * weights`.

    Args:
        std: relative length of the average.
        seen: images at the end of the step; `batch` of them are the step's own.
    """
    # The profile of time t, cut off at t - batch, is (1 - batch / t)^(g + 1) times the profile of time t - batch.
    return float((1 - batch / seen) ** (exponent(std) + 1))


def overlap(times_a: Floats, stds_a: Floats, times_b: Floats, stds_b: Floats) -> Floats:
    """Return the inner product of each profile a with each profile b, (len(a), len(b)). A profile is 0 after its time."""
    # With t = min(ta, tb), the integral over s in [0, t] of
    #   (ga + 1) s^ga / ta^(ga + 1) * (gb + 1) s^gb / tb^(gb + 1)
    # is (ga + 1) (gb + 1) t^(ga + gb + 1) / ((ga + gb + 1) ta^(ga + 1) tb^(gb + 1)).
    # Written with the ratio ta / tb alone, high powers of image counts neither overflow nor lose digits.
    ta, tb = np.asarray(times_a, np.float64)[:, None], np.asarray(times_b, np.float64)[None, :]
    ga = np.array([exponent(float(std)) for std in stds_a])[:, None]
    gb = np.array([exponent(float(std)) for std in stds_b])[None, :]
    power = np.where(ta < tb, gb, -ga)
    return (ga + 1) * (gb + 1) * (ta / tb) ** power / ((ga + gb + 1) * np.maximum(ta, tb))


def coefficients(times: Floats, stds: Floats, at: float, wanted: Floats) -> Floats:
    """Return the factors of the weighted sums of stored averages that give averages of other lengths.

    The factors make the weighted sum of the stored profiles the least-squares fit to the wanted profile, and are then scaled to
    sum to 1.

    Args:
        times, stds: (stored,), end and relative length of each stored average.
        at: end of the wanted averages.
        wanted: (n,), relative lengths of the wanted averages.
    Returns: (stored, n); each column sums to 1.
    """
    # Least squares over sum_i x_i p_i ~ p: the normal equations A x = b with A_ij = <p_i, p_j> and b_i = <p_i, p>.
    between_stored = overlap(times, stds, times, stds)
    with_wanted = overlap(times, stds, np.full(len(wanted), float(at)), wanted)
    solution = np.linalg.solve(between_stored, with_wanted)
    return np.asarray(solution / solution.sum(0))  # so that the average of equal weights is equal to them


@dataclass(frozen=True)
class AverageSnapshot:
    """An average as it was stored during training.

    Args:
        images: training images seen by then.
        std: relative length of the average.
        weights: its tensors by name.
    """

    images: int
    std: float
    weights: Mapping[str, Tensor]


def reconstruct(snapshots: Sequence[AverageSnapshot], at: int, std: float, averaged: Set[str]) -> dict[str, Tensor]:
    """Return the average of length `std` at time `at`, put together from the snapshots up to that time, in their dtype.

    Args:
        averaged: names of the tensors that are averages. The others, such as buffers, are those of the last snapshot: a sum of
            snapshots would round counts and indices, and turn infinities into NaN.
    Raises: ValueError when no snapshot was taken at time `at`, because an average cannot be extrapolated beyond its snapshots.
    """
    usable = [snapshot for snapshot in snapshots if 0 < snapshot.images <= at]
    last = next((snapshot for snapshot in usable if snapshot.images == at), None)
    if last is None:
        known = ", ".join(str(time) for time in sorted({snapshot.images for snapshot in snapshots}))
        raise ValueError(f"no snapshot at {at} images; there are: {known or 'none'}")
    times = np.array([float(snapshot.images) for snapshot in usable])
    stds = np.array([snapshot.std for snapshot in usable])
    factors = coefficients(times, stds, at, np.array([std]))[:, 0].tolist()
    result = dict(last.weights)
    for name in result.keys() & averaged:
        stored = last.weights[name]
        # In float32 at least: sums of many half-precision terms would lose digits.
        total = torch.zeros_like(stored, dtype=torch.promote_types(stored.dtype, torch.float32))
        for factor, snapshot in zip(factors, usable, strict=True):
            total.add_(snapshot.weights[name].to(total.dtype), alpha=factor)
        result[name] = total.to(stored.dtype)
    return result


class PowerFunctionAverage:
    """Averages of a network's parameters, one for each relative length. Buffers are copied, not averaged.

    Args:
        network: the network before its first step.
        stds: relative lengths; the published runs track 0.05 and 0.10.
    """

    def __init__(self, network: nn.Module, stds: Sequence[float] = (0.05, 0.10)) -> None:
        self.stds = tuple(stds)
        self.averages = [self._copy(network) for _ in self.stds]

    @staticmethod
    def _copy(network: nn.Module) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, seen: int, batch: int) -> None:
        """Update the averages after a step of the network.

        Args:
            seen: images so far, those of this step included.
            batch: images of this step.
        """
        values = network.state_dict()
        learned = [name for name, _ in network.named_parameters(remove_duplicate=False) if name in values]
        for std, average in zip(self.stds, self.averages, strict=True):
            new = 1 - decay(std, seen, batch)  # 1 at the first step: the initial weights leave no trace
            # One call for all: one by one is far slower on a card.
            torch._foreach_lerp_([average[name] for name in learned], [values[name] for name in learned], new)
            for name in values.keys() - set(learned):
                average[name].copy_(values[name])

    def snapshots(self, seen: int) -> list[AverageSnapshot]:
        """Return a copy of each average as it is at `seen` images, on the CPU."""
        return [
            AverageSnapshot(seen, std, {name: value.detach().to("cpu", copy=True) for name, value in average.items()})
            for std, average in zip(self.stds, self.averages, strict=True)
        ]
