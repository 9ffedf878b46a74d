"""The range of samples in a file that nobody vouches for: floats of another range than [-1, 1] are refused, or remarked on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from harness.errors import UserError

OVERSHOOT = 1.5
"""The largest size of a value that is taken: a model's samples leave [-1, 1] by a little, and are clamped as a run does."""
ROUNDING = 2e-4
"""Values may exceed [-1, 1] by this much without a remark: by a rounding error, as those of an .npy may."""


@dataclass
class SampleRange:
    """The range of floats that are read as samples.

    Args:
        name: of the samples, in messages.
    """

    name: str
    lowest: float = field(default=math.inf, init=False)
    highest: float = field(default=-math.inf, init=False)

    def checked(self, x: Tensor, first: int) -> Tensor:
        """Return images (n, C, H, W) as they are. Values that are not finite are left to whoever makes bytes of them.

        Args:
            first: index of the first of the images, for messages.
        Raises: UserError, which names the first image with values far outside of [-1, 1].
        """
        if not x.is_floating_point() or not x.numel():
            return x
        values = x.float().numpy()
        finite = np.where(np.isfinite(values), values, 0)
        rows = np.flatnonzero((np.abs(finite) > OVERSHOOT).reshape(len(x), -1).any(1))
        if len(rows):
            image = finite[rows[0]]
            raise UserError(
                f"{self.name}: image {first + int(rows[0])} has values outside of [-1, 1]: {image.min():.4g} to "
                f"{image.max():.4g}; map [0, 1] by 2 * x - 1, or [0, 255] by x / 127.5 - 1. If they are samples of a model, "
                "clamp them to [-1, 1]"
            )
        self.lowest, self.highest = min(self.lowest, float(finite.min())), max(self.highest, float(finite.max()))
        return x

    def notes(self) -> Iterator[str]:
        """Give what the reader of a number should know, once all images were read."""
        if self.lowest > self.highest:  # bytes
            return
        if self.lowest >= 0:
            yield (
                f"{self.name}: no value is below 0. Samples are taken as [-1, 1]; if these are in [0, 1], map them by 2 * x - 1"
            )
        if max(-self.lowest, self.highest) > 1 + ROUNDING:
            yield f"{self.name}: values from {self.lowest:.4g} to {self.highest:.4g} are clamped to [-1, 1]"
