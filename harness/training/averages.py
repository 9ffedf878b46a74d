"""Power-function averages of weights: tracked in training, and reconstructed afterwards for any length.

An average of exponent g at time t weighs the weights at time s by (g + 1) s^g / t^(g + 1). Its length is given as the
standard deviation of that profile relative to t, `std`. Times count training images.
Source: Karras et al. 2024, section 3 and appendix C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]


def exponent(std: float) -> float:
    """The exponent g of an average of relative length `std`. Raises: ValueError unless 0 < std < 0.2886 (g = 0)."""
    if not 0 < std < 12**-0.5:
        raise ValueError(f"a power-function average has a relative length above 0 and below 0.2886, not {std}")
    inverse = std**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def relative_std(g: float) -> float:
    """The relative length of an average of exponent g: the inverse of `exponent`."""
    return float(np.sqrt((g + 1) / ((g + 2) ** 2 * (g + 3))))


def decay(std: float, seen: float, batch: float) -> float:
    """What of an average is kept at the step that ends at `seen` images, `batch` of them its own, in [0, 1]."""
    return float((1 - batch / seen) ** (exponent(std) + 1))


def overlap(times_a: Floats, stds_a: Floats, times_b: Floats, stds_b: Floats) -> Floats:
    """Inner products of all pairs of profiles (a, b), each ending at its time, (len(a), len(b))."""
    ta, tb = np.asarray(times_a, np.float64)[:, None], np.asarray(times_b, np.float64)[None, :]
    ga = np.array([exponent(float(std)) for std in stds_a])[:, None]
    gb = np.array([exponent(float(std)) for std in stds_b])[None, :]
    power = np.where(ta < tb, gb, -ga)
    return (ga + 1) * (gb + 1) * (ta / tb) ** power / ((ga + gb + 1) * np.maximum(ta, tb))


def coefficients(times: Floats, stds: Floats, at: float, wanted: Floats) -> Floats:
    """How to add up stored averages to get averages of other lengths, in the least-squares sense of their profiles.

    Args:
        times, stds: of the stored averages, one each.
        at: time of the wanted ones; `wanted` (n,): their relative lengths.
    Returns: (stored, n), columns summing to 1.
    """
    own = overlap(times, stds, times, stds)
    other = overlap(times, stds, np.full(len(wanted), float(at)), wanted)
    solved = np.linalg.solve(own, other)
    return np.asarray(solved / solved.sum(0))


@dataclass(frozen=True)
class Snapshot:
    """A stored average: when, of which relative length, and its tensors by name."""

    images: int
    std: float
    weights: Mapping[str, Tensor]


def reconstruct(snapshots: Sequence[Snapshot], at: int, std: float) -> dict[str, Tensor]:
    """The average of length `std` at time `at`, from snapshots up to then, in the type they are stored in.

    Raises: ValueError when no snapshot is of that time: beyond the last one there is nothing to extrapolate from.
    """
    usable = [one for one in snapshots if 0 < one.images <= at]
    if not any(one.images == at for one in usable):
        known = ", ".join(str(time) for time in sorted({one.images for one in snapshots}))
        raise ValueError(f"no snapshot at {at} images; there are: {known or 'none'}")
    times, stds = np.array([float(one.images) for one in usable]), np.array([one.std for one in usable])
    shares = coefficients(times, stds, at, np.array([std]))[:, 0]
    result = {}
    for name, stored in usable[-1].weights.items():
        total = torch.zeros_like(stored, dtype=torch.float32)  # sums of many half-precision terms would lose digits
        for share, one in zip(shares, usable, strict=True):
            total.add_(one.weights[name].float(), alpha=float(share))
        result[name] = total.to(stored.dtype)
    return result


class PowerFunctionAverage:
    """Averages of a network's parameters, one for each relative length; its buffers are copied.

    Args:
        network: as it is before the first step.
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
        """After a step. seen: images so far, this step's included; batch: this step's."""
        learned = dict(network.named_parameters())
        for std, average in zip(self.stds, self.averages, strict=True):
            kept = decay(std, seen, batch)
            for name, value in network.state_dict().items():
                if name in learned:
                    average[name].lerp_(value, 1 - kept)
                else:
                    average[name].copy_(value)

    def snapshots(self, seen: int) -> list[Snapshot]:
        """What to store at this time: half precision, as the published files."""
        return [
            Snapshot(seen, std, {name: value.half() for name, value in average.items()})
            for std, average in zip(self.stds, self.averages, strict=True)
        ]

    def state_dict(self) -> dict[str, object]:
        return {"stds": self.stds, "averages": self.averages}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        self.stds = tuple(cast("Sequence[float]", state["stds"]))
        self.averages = list(cast("Sequence[dict[str, Tensor]]", state["averages"]))
