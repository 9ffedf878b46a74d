"""Features of image sets: extracted in one pass, moments streamed in float64, rows kept only where a metric asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import stop
from harness.components import FEATURE_NEEDS
from harness.errors import UserError
from harness.interfaces import FeatureExtractor
from harness.store.files import storage

T = TypeVar("T")
BATCH = 250
"""Images that go through an extractor at once: memory is bounded by it, whatever their number."""


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


@dataclass(frozen=True)
class Extraction:
    """One pass of an extractor over images, for all that is asked of them.

    Args:
        extractor: on `device` already, where it is a module.
        needs: names out of FEATURE_NEEDS.
        folder: where rows are written as they come; in memory when None.
        on_progress: told the number of images so far.
    """

    extractor: FeatureExtractor
    needs: Collection[str]
    device: torch.device | str = "cpu"
    folder: Path | None = None
    on_progress: Callable[[int], None] = lambda _: None

    @cached_property
    def _moments(self) -> tuple[str, ...]:
        return tuple(need for need in MOMENTS if need in self.needs)

    @cached_property
    def _rows(self) -> tuple[str, ...]:
        return tuple(need for need in ROWS if need in self.needs)

    def run(self, batches: Iterable[Tensor], n: int, *, name: str) -> FeatureSet:
        """Features of n images that come in batches (B, C, H, W) uint8.

        Raises: UserError when an output is missing, not finite, or of another size than the extractor declares.
        """
        for need in self.needs:
            if FEATURE_NEEDS[need] not in self.extractor.outputs:
                raise UserError(f"{name}: the extractor gives {', '.join(self.extractor.outputs)}, and no {FEATURE_NEEDS[need]}")
        sums = {need: StreamingMoments() for need in self._moments}
        rows = {need: self._array(need, n) for need in self._rows}
        done = 0
        for images in batches:
            outputs = self._outputs(images, name, done)
            for need, moments in sums.items():
                moments.add(outputs[FEATURE_NEEDS[need]])
            for need, array in rows.items():
                array[done : done + len(images)] = outputs[FEATURE_NEEDS[need]].cpu().numpy()
            done += len(images)
            self.on_progress(done)
            stop.check()
        if done != n:
            raise ValueError(f"{name}: {n} images were announced, and {done} came")
        return FeatureSet(name, n, {need: one.result() for need, one in sums.items()}, rows)

    def _outputs(self, images: Tensor, name: str, done: int) -> Mapping[str, Tensor]:
        outputs = self._whole(images)
        for need in self.needs:
            output = FEATURE_NEEDS[need]
            expected = (len(images), self.extractor.outputs[output])
            if outputs[output].shape != expected:
                raise ValueError(f"{output} has shape {tuple(outputs[output].shape)}, expected {expected}")
            if not bool(torch.isfinite(outputs[output]).all()):
                raise UserError(f"{name}: {output} of images {done} to {done + len(images) - 1} are not all finite")
        return outputs

    def _whole(self, images: Tensor) -> Mapping[str, Tensor]:
        """Of all images of a batch, in parts where they are too many at once for a CPU."""
        at_once = getattr(self.extractor, "images_on_cpu", None) if torch.device(self.device).type == "cpu" else None
        if at_once is None or len(images) <= at_once:
            return self.extractor(images.to(self.device))
        parts = [self.extractor(part) for part in images.to(self.device).split(at_once)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _array(self, need: str, n: int) -> NDArray[np.float32]:
        shape = (n, self.extractor.outputs[FEATURE_NEEDS[need]])
        if self.folder is None:
            return np.empty(shape, np.float32)
        path = self.folder / f"{need}.npy"
        with storage(path):
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            if hasattr(os, "posix_fallocate"):
                with path.open("r+b") as file:  # a full disk is an error here; at a write into the map it kills the process
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array


MOMENTS = ("moments", "spatial")
ROWS = ("features", "logits")


def batches_of(images: Tensor, size: int = BATCH) -> Iterator[Tensor]:
    """A tensor of images, batch by batch."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
