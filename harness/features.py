"""Features of image sets: extracted in one pass, moments streamed in float64, rows kept only where a metric asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import UserError

T = TypeVar("T")
MOMENTS = ("moments", "spatial")
ROWS = ("features", "logits")


@dataclass(frozen=True)
class Moments:
    """Of n rows of features: `mean` (D,) and the unbiased `covariance` (D, D), float64.

    n is None only where they come from a file that does not say it.
    """

    n: int | None
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.floating]) -> Moments:
        """Of rows (n, D), n >= 2."""
        streamed = StreamingMoments()
        streamed.add(torch.from_numpy(np.ascontiguousarray(rows)))
        return streamed.result()


class StreamingMoments:
    """Adds up rows batch by batch; what it holds is one D × D matrix, float64, whatever the number of rows."""

    def __init__(self) -> None:
        self.n = 0
        self._shift: Tensor | None = None

    def add(self, rows: Tensor, counts: Tensor | None = None) -> None:
        """Take (B, D) rows in, each once, or as often as `counts` (B,) says."""
        exact = rows.detach().double()
        if self._shift is None:
            # Sums of squares lose no digits to a common mean that is taken off before.
            self._shift = exact.mean(0)
            self._sum = torch.zeros_like(self._shift)
            self._outer = torch.zeros(2 * (exact.shape[1],), dtype=torch.float64, device=exact.device)
        centred = exact - self._shift
        taken = centred if counts is None else centred * counts[:, None]
        self._sum += taken.sum(0)
        self._outer.addmm_(taken.T, centred)
        self.n += len(rows) if counts is None else int(counts.sum())

    def result(self) -> Moments:
        """The moments so far. Raises: UserError for fewer than two rows."""
        if self._shift is None or self.n < 2:
            raise UserError(f"a covariance needs at least 2 images, got {self.n}")
        mean = self._sum / self.n
        covariance = (self._outer - self.n * torch.outer(mean, mean)) / (self.n - 1)
        covariance = (covariance + covariance.T) / 2
        return Moments(self.n, (mean + self._shift).cpu().numpy(), covariance.cpu().numpy())


@dataclass(frozen=True)
class FeatureSet:
    """Features of n images by one extractor: of its outputs what was asked for, by need (`harness.components.FEATURE_NEEDS`).

    Args:
        name: what messages call it.
        n: number of images; None where only statistics are there, from a file that does not say it.
        moments_by_need, rows_by_need: `moments` and `spatial` are in the one, `features` and `logits`, (n, D) float32 and
            possibly on disk, in the other.
        memo: what metrics worked out from it and others may use again, while the set is in memory.
    """

    name: str
    n: int | None
    moments_by_need: Mapping[str, Moments] = field(default_factory=dict)
    rows_by_need: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    memo: dict[object, object] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        if self.n is None:
            raise UserError(f"{self.name}: does not say of how many images it is. Give the images themselves")
        return self.n

    def moments(self, need: str = "moments") -> Moments:
        """Mean and covariance of `features` ("moments") or of `spatial`. Raises: UserError when they are not there."""
        return self._given(self.moments_by_need, need)

    def rows(self, need: str = "features") -> NDArray[np.float32]:
        """`features` or `logits` of each image, (n, D). Raises: UserError when they are not there."""
        return self._given(self.rows_by_need, need)

    def _given(self, table: Mapping[str, T], need: str) -> T:
        if need not in table:
            there = ", ".join([*self.moments_by_need, *self.rows_by_need]) or "nothing"
            raise UserError(f"{self.name}: gives no {need}; it has {there}. Give the images themselves")
        return table[need]

    @classmethod
    def of_rows(cls, name: str, **rows: NDArray[np.floating]) -> FeatureSet:
        """From features that are there: `features`, and `logits` and `spatial` where given; for tests and files."""
        moments = {"moments": Moments.of(rows["features"])} if "features" in rows else {}
        if "spatial" in rows:
            moments["spatial"] = Moments.of(rows["spatial"])
        kept: dict[str, NDArray[np.float32]] = {need: np.asarray(rows[need], np.float32) for need in ROWS if need in rows}
        return cls(name, len(next(iter(rows.values()))), moments, kept)

    def remembered(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gives, made once for this set."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]  # type: ignore[return-value]
