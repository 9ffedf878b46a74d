"""Conversion between a dataset's examples and the tensors that a network works on, for models that generate latents of images.

Every function here takes any model. For a model that does not work in latents, the network sees the dataset's own examples,
and nothing changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from harness.capabilities import WorksInLatents
from harness.indexed import IndexedExamples, read_examples
from harness.interfaces import Batch, DataSpec
from harness.process import stop
from harness.process.crew import ALONE, Crew

ROWS = 64
"""The number of images that are encoded at once."""


def network_spec(model: torch.nn.Module, spec: DataSpec) -> DataSpec:
    """Return the spec of what the network, its methods and its samplers work on, given the spec of the dataset."""
    if not isinstance(model, WorksInLatents):
        return spec
    return dataclasses.replace(spec, shape=model.latent_shape, preview="latents")  # no images: nothing may clip them to [-1, 1]


def encoded(
    model: WorksInLatents, images: IndexedExamples, device: torch.device, *, first: int = 0, crew: Crew = ALONE
) -> Iterator[Batch]:
    """Yield what `encode_images` keeps of every image, ROWS at a time, (k, …), with the labels, on the CPU.

    Args:
        first: the row to begin with, a multiple of ROWS: the chunks do not depend on it.
        crew: the processes that share the chunks; each computes `encoded_rows` of a chunk's first row.
    Raises: Interrupted when a stop was requested.
    """

    def own(start: int) -> Batch:
        stop.check()
        return encoded_rows(model, images, device, start)

    yield from crew.each(range(first, len(images), ROWS), own)


def encoded_rows(model: WorksInLatents, images: IndexedExamples, device: torch.device, start: int) -> Batch:
    """Return what `encode_images` keeps of ROWS images from a row on, or of those that are left, on the CPU."""
    batch = read_examples(images, torch.arange(start, min(start + ROWS, len(images))))
    return Batch(model.encode_images(batch.x.to(device)).cpu(), batch.labels)


def network_batch(model: torch.nn.Module, batch: Batch, generator: torch.Generator) -> Batch:
    """Return the batch as the network sees it.

    For a model that works in latents, `batch.x` must hold the images as `encoded` gave them. Each call draws new
    latents from it.
    """
    if not isinstance(model, WorksInLatents):
        return batch
    # Without rows: a value that was computed for one draw of an example does not hold for another draw.
    return Batch(model.draw_latents(batch.x, generator), batch.labels)


def decode_samples(model: torch.nn.Module, batch: Batch, *, size: int, device: torch.device) -> Batch:
    """Return generated examples in the dataset's shape, on the CPU; latents are decoded, `size` at a time.

    Raises: Interrupted when a stop was requested.
    """
    if not isinstance(model, WorksInLatents):
        return batch
    images = []
    for start in range(0, len(batch), size):
        stop.check()
        images.append(model.decode_latents(batch.x[start : start + size].to(device)).float().cpu())
    return Batch(images[0] if len(images) == 1 else torch.cat(images), batch.labels)
