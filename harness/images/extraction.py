"""Extraction of features: one pass of an extractor over a set of images. Rows are kept only where a metric needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.components import FEATURE_NEEDS
from harness.errors import PluginFault, UserError
from harness.features import MOMENTS, ROWS, FeatureSet, StreamingMoments
from harness.images.extraction_settings import DEFAULT, ExtractionSettings
from harness.images.sets import ImageSet
from harness.interfaces import FeatureExtractor
from harness.process import stop
from harness.process.crew import ALONE, Crew
from harness.process.inference_precision import as_float32, computing_in
from harness.process.out_of_memory import advice, out_of_memory_advice
from harness.store.files import storage
from harness.targets import class_path


def outputs_fault(outputs: object, declared: Mapping[str, int], n: int) -> str | None:
    """Return what an extractor gave for n images, and what it must give, as one line; None when nothing is wrong.

    Args:
        declared: dimension of each output by name.
    """
    if not isinstance(outputs, Mapping):
        kind = "None" if outputs is None else f"a {type(outputs).__name__}"
        return f"gave {kind}; it must give its outputs by name: {', '.join(declared)}"
    for name, size in declared.items():
        rows, must = outputs.get(name), f"it must give a torch.float32 tensor of shape {(n, size)}"
        if not isinstance(rows, Tensor):
            return f"gave {'no' if name not in outputs else f'a {type(rows).__name__} as'} {name}; {must}"
        if tuple(rows.shape) != (n, size) or rows.dtype != torch.float32:
            return f"gave {name} as a {rows.dtype} tensor of shape {tuple(rows.shape)}; {must}"
    return None


@dataclass(frozen=True)
class Extraction:
    """The settings of one pass of an extractor over images. Its features serve all metrics.

    Args:
        extractor: the extractor; a torch module is on `device` already.
        needs: names out of FEATURE_NEEDS.
        folder: where rows are written while they are made; None keeps them in memory.
        settings: precision of the extractor, and images at once.
        on_progress: called after each batch with the number of images so far.
        crew: the processes that share the batches; each of them computes `outputs_of` in the place of this one.
    """

    extractor: FeatureExtractor
    needs: Collection[str]
    device: torch.device | str = "cpu"
    folder: Path | None = None
    settings: ExtractionSettings = DEFAULT
    on_progress: Callable[[int], None] = lambda _: None
    crew: Crew = ALONE

    def run(self, images: ImageSet) -> FeatureSet:
        """Return the features of all images of a set.

        Raises: UserError when the extractor lacks an output that is needed, or gives values that are not finite, and where the
            memory does not suffice; PluginFault when an output is no float32 tensor of the size that the extractor declares;
            ValueError when the set yields another number of images than its n; Interrupted when a stop was requested.
        """
        self._check_outputs(images.name)
        sums = {need: StreamingMoments() for need in MOMENTS if need in self.needs}
        rows = {need: self._empty_rows(need, images.n) for need in ROWS if need in self.needs}
        count = 0
        for outputs in self.crew.each(images.batches(self.settings.batch), self.outputs_of):
            size = len(next(iter(outputs.values())))
            self._check_finite(outputs, f"images {count} to {count + size - 1}", images.name)
            for need, moments in sums.items():
                moments.add(outputs[FEATURE_NEEDS[need]].to(self.device))
            for need, array in rows.items():
                array[count : count + size] = outputs[FEATURE_NEEDS[need]].cpu().numpy()
            count += size
            self.on_progress(count)
            stop.check()
        if count != images.n:
            raise ValueError(f"{images.name}: {images.n} images were announced, and {count} came")
        return FeatureSet(images.name, images.n, {need: moments.result() for need, moments in sums.items()}, rows)

    def _check_outputs(self, name: str) -> None:
        for need in self.needs:
            if FEATURE_NEEDS[need] not in self.extractor.outputs:
                raise UserError(f"{name}: the extractor gives {', '.join(self.extractor.outputs)}, and no {FEATURE_NEEDS[need]}")

    def outputs_of(self, pixels: Tensor) -> Mapping[str, Tensor]:
        """Return the outputs that are needed of a batch of images, by name. Raises: PluginFault, as `run`."""
        outputs = self._outputs(pixels)
        return {name: outputs[name] for name in dict.fromkeys(FEATURE_NEEDS[need] for need in self.needs)}

    @staticmethod
    def _check_finite(outputs: Mapping[str, Tensor], which: str, name: str) -> None:
        for output, values in outputs.items():
            if not bool(torch.isfinite(values).all()):
                raise UserError(f"{name}: {output} of {which} are not all finite")

    def _outputs(self, pixels: Tensor) -> Mapping[str, Tensor]:
        """Return the outputs for a batch, computed in parts where the batch is too large for the extractor on a CPU."""
        device = torch.device(self.device)
        limit = self.extractor.images_on_cpu if device.type == "cpu" else None
        with out_of_memory_advice(self._memory_advice(len(pixels))), computing_in(self.settings.precision, device):
            if limit is None or len(pixels) <= limit:
                return self._of_part(pixels.to(device))
            parts = [self._of_part(part) for part in pixels.to(device).split(limit)]
            return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _memory_advice(self, tried: int) -> str:
        """Return the advice to a user when so many images at once do not fit into memory."""
        setting, batch = self.settings.batch_setting, self.settings.batch
        return advice(setting, tried, "image", now=str(batch), note=", which changes features by rounding only")

    def _of_part(self, pixels: Tensor) -> Mapping[str, Tensor]:
        outputs: object = self.extractor(pixels)
        if self.settings.precision in ("bf16", "fp16") and isinstance(outputs, Mapping):
            outputs = {name: as_float32(rows) if isinstance(rows, Tensor) else rows for name, rows in outputs.items()}
        if fault := outputs_fault(outputs, self.extractor.outputs, len(pixels)):
            raise PluginFault(f"extractor {class_path(self.extractor)}: {fault}")
        assert isinstance(outputs, Mapping), "outputs_fault has looked"
        return outputs

    def _empty_rows(self, need: str, n: int) -> NDArray[np.float32]:
        shape = (n, self.extractor.outputs[FEATURE_NEEDS[need]])
        if self.folder is None:
            return np.empty(shape, np.float32)
        path = self.folder / f"{need}.npy"
        with storage(path):
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            if hasattr(os, "posix_fallocate"):
                # A full disk raises an error here; later, during a write into the memory map, it would kill the process.
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array
