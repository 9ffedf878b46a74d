"""Models that work in latents of images: between what they see and what the dataset holds."""

from __future__ import annotations

import dataclasses

import torch

from harness.capabilities import WorksInLatents
from harness.interfaces import Batch, DataSpec
from harness.process import stop

ROWS = 64
"""Images that are encoded at once."""


def space(model: torch.nn.Module, spec: DataSpec) -> DataSpec:
    """What the network, its methods and its samplers work on, given the spec of the data: the same, or latents of it."""
    return dataclasses.replace(spec, shape=model.latent_shape) if isinstance(model, WorksInLatents) else spec


def encoded(model: WorksInLatents, data: Batch) -> torch.Tensor:
    """What is kept of each image, (n, …), on the CPU."""
    parts = []
    for start in range(0, len(data), ROWS):
        stop.check()
        parts.append(model.encode_images(data.x[start : start + ROWS]).cpu())
    return torch.cat(parts)


def drawn(model: torch.nn.Module, batch: Batch, generator: torch.Generator) -> Batch:
    """The batch as the network sees it: latents, drawn anew of what is kept of images; the batch itself elsewhere."""
    if not isinstance(model, WorksInLatents):
        return batch
    # Without rows: what was computed of an example once is not true of another draw of it.
    return Batch(model.draw_latents(batch.x, generator), batch.labels)


def decoded(model: torch.nn.Module, batch: Batch, *, size: int, device: torch.device) -> Batch:
    """Generated examples as the dataset has them, `size` at a time, on the CPU."""
    if not isinstance(model, WorksInLatents):
        return batch
    images = []
    for start in range(0, len(batch), size):
        stop.check()
        images.append(model.decode_latents(batch.x[start : start + size].to(device)).float().cpu())
    return Batch(torch.cat(images), batch.labels)
