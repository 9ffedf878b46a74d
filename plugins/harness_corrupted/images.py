"""Corrupted images. The randomness of a fault is a function of the part of the data and the number of the image."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property

import torch
from torch import Tensor

from harness.errors import UserError
from harness.interfaces import Batch, CountedSource, SelectionSource
from harness.streams import stream
from harness_corrupted import CorruptedConfig
from harness_corrupted.files import component, settings


class Corrupted(SelectionSource, CountedSource):
    """The images of the named dataset, with faults in this order: dropped classes, swapped labels, blur, noise.

    Raises: UserError when the dataset holds no images, or too few classes for the faults.
    """

    def __init__(self, config: CorruptedConfig) -> None:
        inner = component(config)
        self.config = config
        self._source = inner.create(settings(config))
        self.spec = self._source.spec
        if self.spec.preview != "images":
            raise UserError(f"dataset corrupted: {config.dataset!r} holds no images")
        if config.dropped_classes and config.dropped_classes >= self.spec.classes:
            raise UserError(f"dataset corrupted: cannot drop {config.dropped_classes} of {self.spec.classes} classes")
        if config.swapped_labels and self.spec.classes < 2:
            raise UserError(f"dataset corrupted: {config.dataset!r} has no classes to swap")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the dataset's fingerprint and of the settings, in hexadecimal."""
        later = set() if self.config.selection else {"selection"}  # the setting moved no fingerprint that was there before it
        text = f"{self._source.fingerprint} {self.config.model_dump_json(exclude=later)}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def largest_evaluation(self) -> int | None:
        """The dataset's own largest number; None with dropped classes, which leave each draw a number of its own."""
        return None if self.config.dropped_classes else self._source.largest_evaluation

    def held_out_examples(self) -> int | None:
        """Return how many held-out images of classes that are not dropped the dataset has; None where it draws without end."""
        if isinstance(self._source, CountedSource) and not self.config.dropped_classes:
            return self._source.held_out_examples()
        if (half := self._source.largest_evaluation) is None:
            return None
        if not self.config.dropped_classes:
            return 2 * half
        # Draws 0 and 1 are halves of what is held out: of their largest sets every image is in one.
        return sum(len(self._without_dropped(self._source.evaluation(draw, half))) for draw in (0, 1))

    @property
    def largest_selection(self) -> int | None:
        """How many images the dataset keeps for the curve, without those of dropped classes; None where it keeps none."""
        if not isinstance(self._source, SelectionSource) or (kept := self._source.largest_selection) is None:
            return None
        return len(self._without_dropped(self._source.selection(0, kept))) if self.config.dropped_classes else kept

    def train(self) -> Batch:
        """Return all training images of the classes that are not dropped, corrupted."""
        return self._faulty(self._without_dropped(self._source.train()), "train", 0)

    def evaluation(self, draw: int, n: int) -> Batch:
        """Return the first n images of the dataset's evaluation draw that are of a class that is not dropped, corrupted.

        Raises: ValueError when the dataset holds too few.
        """
        size = n
        images = self._without_dropped(self._source.evaluation(draw, size))
        while len(images) < n:  # a larger evaluation set begins with the smaller one
            size += math.ceil((n - len(images)) * self.spec.classes / self._classes) + 1
            images = self._without_dropped(self._larger_evaluation(draw, size, n))
        return self._faulty(images[:n], "evaluation", draw)

    def selection(self, draw: int, n: int) -> Batch:
        """Return n of the images that the dataset keeps for the curve, of the classes that are not dropped, corrupted.

        Raises: ValueError when there are fewer.
        """
        if not isinstance(self._source, SelectionSource) or (kept := self._source.largest_selection) is None:
            raise ValueError(f"{self.config.dataset} keeps no images for the curve")
        images = self._without_dropped(self._source.selection(draw, kept))
        if len(images) < n:
            raise ValueError(f"{n} images asked for; {len(images)} are kept for the curve")
        return self._faulty(images[:n], "selection", draw)

    @property
    def _classes(self) -> int:
        """Number of classes that are not dropped."""
        return self.spec.classes - self.config.dropped_classes

    def _larger_evaluation(self, draw: int, size: int, n: int) -> Batch:
        try:
            return self._source.evaluation(draw, size)
        except ValueError as error:
            raise ValueError(f"{n} images of {self._classes} of {self.spec.classes} classes are not there: {error}") from error

    def _without_dropped(self, batch: Batch) -> Batch:
        return batch if batch.labels is None or not self.config.dropped_classes else batch[batch.labels < self._classes]

    def _faulty(self, batch: Batch, part: str, index: int) -> Batch:
        labels = self._with_swaps(batch.labels, stream(index, f"corrupted/{part}/labels"))
        x = blurred(batch.x, self.config.blur)
        if self.config.noise:
            noise = torch.randn(x.shape, generator=stream(index, f"corrupted/{part}/noise"))
            x = (x + self.config.noise * noise).clamp(-1, 1)
        return Batch(x, labels)

    def _with_swaps(self, labels: Tensor | None, generator: torch.Generator) -> Tensor | None:
        if labels is None or not self.config.swapped_labels:
            return labels
        chosen = torch.rand(len(labels), generator=generator) < self.config.swapped_labels
        return torch.where(chosen, (labels + 1) % self.spec.classes, labels)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Return images (n, C, H, W) after a Gaussian blur; sigma = 0 changes nothing.

    Args: sigma: standard deviation in pixels. The kernel is cut off at 4 sigma, and edges are repeated outside the image.
    """
    if sigma == 0:
        return x
    reach = max(1, math.ceil(4 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(x.dtype)
    n, channels, height, width = x.shape
    flat = x.reshape(n * channels, 1, height, width)
    # A Gaussian in two dimensions is the product of two in one: down the columns first, along the rows then.
    for shape, pad in (((1, 1, -1, 1), (0, 0, reach, reach)), ((1, 1, 1, -1), (reach, reach, 0, 0))):
        padded = torch.nn.functional.pad(flat, pad, mode="replicate")
        flat = torch.nn.functional.conv2d(padded, kernel.reshape(shape))
    return flat.reshape(x.shape).clamp(-1, 1)  # the kernel's weights add up to 1 only to rounding
