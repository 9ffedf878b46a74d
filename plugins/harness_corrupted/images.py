"""Corrupted images: what is random about a fault is a function of (part, image number), as in every dataset."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property

import torch
from torch import Tensor

from harness.errors import UserError
from harness.interfaces import Batch, DataSource
from harness.streams import stream
from harness_corrupted import CorruptedConfig
from harness_corrupted.files import component


class Corrupted(DataSource):
    """The named dataset's images with the faults of `config`, in this order: dropped classes, labels, blur, noise.

    Raises: UserError when the dataset is none of labelled images or has no more classes than are dropped.
    """

    def __init__(self, config: CorruptedConfig) -> None:
        inner = component(config)
        self.config = config
        self._source = inner.create(inner.config())
        self.spec = self._source.spec
        if self.spec.preview != "images":
            raise UserError(f"dataset corrupted: {config.dataset!r} holds no images")
        if config.dropped_classes and config.dropped_classes >= self.spec.classes:
            raise UserError(f"dataset corrupted: cannot drop {config.dropped_classes} of {self.spec.classes} classes")
        if config.swapped_labels and self.spec.classes < 2:
            raise UserError(f"dataset corrupted: {config.dataset!r} has no classes to swap")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the dataset's fingerprint and the settings, hexadecimal."""
        text = f"{self._source.fingerprint} {self.config.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def train(self) -> Batch:
        """All training images of the kept classes, corrupted."""
        return self._faulty(self._kept(self._source.train()), "train", 0)

    def evaluation(self, draw: int, n: int) -> Batch:
        """The first n of the dataset's evaluation images of this draw that are of a kept class, corrupted.

        Raises: ValueError when the dataset holds too few.
        """
        kept = self._source.evaluation(draw, n)
        asked = n
        while self.config.dropped_classes and len(self._kept(kept)) < n:
            asked += math.ceil((n - len(self._kept(kept))) * self.spec.classes / self._classes) + 1
            kept = self._asked(draw, asked, n)
        return self._faulty(self._kept(kept)[:n], "evaluation", draw)

    @property
    def _classes(self) -> int:
        return self.spec.classes - self.config.dropped_classes

    def _asked(self, draw: int, asked: int, n: int) -> Batch:
        try:
            return self._source.evaluation(draw, asked)
        except ValueError as error:
            raise ValueError(f"{n} images of {self._classes} of {self.spec.classes} classes are not there: {error}") from error

    def _kept(self, batch: Batch) -> Batch:
        return batch if batch.labels is None or not self.config.dropped_classes else batch[batch.labels < self._classes]

    def _faulty(self, batch: Batch, part: str, index: int) -> Batch:
        labels = self._swapped(batch.labels, stream(index, f"corrupted/{part}/labels"))
        x = blurred(batch.x, self.config.blur)
        if self.config.noise:
            noise = torch.randn(x.shape, generator=stream(index, f"corrupted/{part}/noise"))
            x = (x + self.config.noise * noise).clamp(-1, 1)
        return Batch(x, labels)

    def _swapped(self, labels: Tensor | None, generator: torch.Generator) -> Tensor | None:
        if labels is None or not self.config.swapped_labels:
            return labels
        chosen = torch.rand(len(labels), generator=generator) < self.config.swapped_labels
        return torch.where(chosen, (labels + 1) % self.spec.classes, labels)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (n, C, H, W) with edges repeated, standard deviation in pixels, cut at 4 of them; 0 changes nothing."""
    if sigma == 0:
        return x
    reach = max(1, math.ceil(4 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(x.dtype)
    n, channels, height, width = x.shape
    flat = x.reshape(n * channels, 1, height, width)
    for shape, pad in (((1, 1, -1, 1), (0, 0, reach, reach)), ((1, 1, 1, -1), (reach, reach, 0, 0))):
        padded = torch.nn.functional.pad(flat, pad, mode="replicate")
        flat = torch.nn.functional.conv2d(padded, kernel.reshape(shape))
    return flat.reshape(x.shape).clamp(-1, 1)  # a kernel's weights add to 1 but for rounding
