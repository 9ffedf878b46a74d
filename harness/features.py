"""Features of a set of images. Moments are summed batch by batch in float64; rows are kept only where a metric needs them."""

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
    """Mean and covariance of n rows of features.

    Args:
        n: number of rows; None only for moments from a file that does not state the number.
        mean: (D,), float64.
        covariance: (D, D), float64, the unbiased estimate (divided by n - 1).
    """

    n: int | None
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.floating]) -> Moments:
        """Return the moments of rows (n, D). Raises: UserError unless n >= 2."""
        streamed = StreamingMoments()
        streamed.add(torch.from_numpy(np.ascontiguousarray(rows)))
        return streamed.result()


class StreamingMoments:
    """Computes mean and covariance of rows that come batch by batch. Its memory is one D × D matrix, float64, for any n."""

    def __init__(self) -> None:
        self.n = 0
        self._shift: Tensor | None = None

    def add(self, rows: Tensor, counts: Tensor | None = None) -> None:
        """Add rows (B, D), each once, or as often as `counts` (B,) says."""
        exact = rows.detach().double()
        if self._shift is None:
            # All rows are shifted by the first batch's mean before they are squared: a large common mean would cost digits.
            self._shift = exact.mean(0)
            self._sum = torch.zeros_like(self._shift)
            self._outer = torch.zeros(2 * (exact.shape[1],), dtype=torch.float64, device=exact.device)
        centred = exact - self._shift
        taken = centred if counts is None else centred * counts[:, None]
        self._sum += taken.sum(0)
        self._outer.addmm_(taken.T, centred)
        self.n += len(rows) if counts is None else int(counts.sum())

    def result(self) -> Moments:
        """Return the moments of all rows so far. Raises: UserError for fewer than two rows."""
        if self._shift is None or self.n < 2:
            raise UserError(f"a covariance needs at least 2 images, got {self.n}")
        mean = self._sum / self.n
        covariance = (self._outer - self.n * torch.outer(mean, mean)) / (self.n - 1)
        covariance = (covariance + covariance.T) / 2
        return Moments(self.n, (mean + self._shift).cpu().numpy(), covariance.cpu().numpy())


@dataclass(frozen=True)
class FeatureSet:
    """Features of n images by one extractor: those outputs that a metric asked for (`harness.components.FEATURE_NEEDS`).

    Args:
        name: what messages call the set.
        n: number of images; None for statistics from a file that does not state the number.
        moments_by_need: moments by name: "moments" of the features, "spatial" of the spatial features.
        rows_by_need: rows by name, "features" and "logits", each (n, D) float32, possibly on disk.
        memo: values that one metric computed from the set, kept for other metrics while the set is in memory.
    """

    name: str
    n: int | None
    moments_by_need: Mapping[str, Moments] = field(default_factory=dict)
    rows_by_need: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    memo: dict[object, object] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        if self.n is None:
            raise UserError(f"{self.name}: does not say how many images it was made of. Give the images themselves")
        return self.n

    def moments(self, need: str = "moments") -> Moments:
        """Return the moments of the features ("moments") or of the spatial features. Raises: UserError when the set has none."""
        return self._needed(self.moments_by_need, need)

    def rows(self, need: str = "features") -> NDArray[np.float32]:
        """Return the features or the logits of each image, (n, D). Raises: UserError when the set has none."""
        return self._needed(self.rows_by_need, need)

    def _needed(self, table: Mapping[str, T], need: str) -> T:
        if need not in table:
            present = ", ".join([*self.moments_by_need, *self.rows_by_need]) or "nothing"
            raise UserError(f"{self.name}: gives no {need}; it has {present}. Give the images themselves")
        return table[need]

    @classmethod
    def of_rows(cls, name: str, **rows: NDArray[np.floating]) -> FeatureSet:
        """Return a FeatureSet made from rows that were computed before; used for tests and files.

        Args:
            rows: "features", "logits" and "spatial", as far as there are any; each (n, D).
        """
        moments = {"moments": Moments.of(rows["features"])} if "features" in rows else {}
        if "spatial" in rows:
            moments["spatial"] = Moments.of(rows["spatial"])
        kept: dict[str, NDArray[np.float32]] = {need: np.asarray(rows[need], np.float32) for need in ROWS if need in rows}
        return cls(name, len(next(iter(rows.values()))), moments, kept)

    def remembered(self, key: object, make: Callable[[], T]) -> T:
        """Return the value of `make()`, which is called once for this set and this key."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]  # type: ignore[return-value]
