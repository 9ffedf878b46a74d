"""Features of images: one pass of an extractor over them, rows kept only where a metric asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.components import FEATURE_NEEDS
from harness.errors import UserError
from harness.features import MOMENTS, ROWS, FeatureSet, StreamingMoments
from harness.interfaces import FeatureExtractor
from harness.process import stop
from harness.store.files import storage

BATCH = 250
"""Images that go through an extractor at once: memory is bounded by it, whatever their number."""


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
        at_once = self.extractor.images_on_cpu if torch.device(self.device).type == "cpu" else None
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
