"""Training data as a network takes them: the dataset's examples, or what an autoencoder makes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from harness.capabilities import WorksInLatents
from harness.errors import UserError
from harness.indexed import IndexedExamples
from harness.indexed_sets import InFile
from harness.row_files import RowFile
from harness.stages import sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.encoded_file import KEPT, EncodedFile
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.training.config import DataPlace, TrainingConfig
from harness.training.placement import placed
from harness.weights.tensor_rows import tensors

LABELS_AT_ONCE = 4096
"""Examples whose labels are read at once, where an older version kept none beside the encoded data."""


def training_data(
    network: torch.nn.Module,
    source: CheckedSource,
    context: Context,
    made_by: Sequence[SourceFacts],
    training: TrainingConfig,
) -> IndexedExamples:
    """Return all training data in the form that the network trains on, where the budget says that they are read.

    A network that works in latents gets what its autoencoder keeps of each image. A dataset is encoded once for all networks
    with the same autoencoder.

    Args:
        made_by: the code of the network's model and of the dataset.
    Raises: UserError where the budget flips something else than images.
    """
    if training.flip and (isinstance(network, WorksInLatents) or source.spec.preview != "images"):
        form = "latents, which are encoded once" if isinstance(network, WorksInLatents) else source.spec.preview
        raise UserError(f"training.flip mirrors images, and the network trains on {form}: remove flip")
    return examples(network, source, context, made_by, training.data)


def examples(
    network: torch.nn.Module,
    source: CheckedSource,
    context: Context,
    made_by: Sequence[SourceFacts],
    where: DataPlace = "disk",
) -> IndexedExamples:
    """Return all training data in the form that the network trains on.

    Args:
        made_by: the code of the network's model and of the dataset.
        where: where they are kept; by default they are read where they are.
    """
    if not isinstance(network, WorksInLatents):
        return source.placed_training_set(where, context.device)
    key = digest(stage="latents", fingerprint=source.fingerprint, autoencoder=network.autoencoder_identity())
    kept = f"{key}, {where} of {context.device}" + (", anew" if context.makes_anew else "")
    return context.cache.encoded(kept, lambda: placed(_encoded(network, source, key, context, made_by), where, context.device))


def _encoded(
    network: WorksInLatents, source: CheckedSource, key: str, context: Context, made_by: Sequence[SourceFacts]
) -> InFile:
    work, code = context.runs.work("latents", key), sources.as_json(made_by)
    file = EncodedFile(work, digest(latents=key, code=code, device=context.device.type))

    def make(folder: Path) -> dict[str, object]:
        images = source.training_set
        context.reporter.stage("encode")
        steps = len(images)
        seconds = file.write(
            network, images, context.device, lambda done: context.reporter.step(done, steps, {}, images_per_step=1)
        )
        file.hand_over(folder)
        return {"seconds": seconds, "images": len(images), "sources": code}

    return _read(context.once("latents", key, make, made_by, resumes=True), source)


def _read(output: Output, source: CheckedSource) -> InFile:
    """Return the encoded data of an output, which are read row by row, with their labels in memory."""
    stored = tensors(output.folder / KEPT)
    rows = stored["kept"]
    kept = RowFile(rows.path, rows.offset, rows.shape, rows.dtype)
    if (labels := stored.get("labels")) is not None:
        return InFile(kept, labels.read(0, len(labels)))
    return InFile(kept, _labels(source) if source.spec.classes else None)


def _labels(source: CheckedSource) -> torch.Tensor:
    chunks = torch.arange(len(source.training_set)).split(LABELS_AT_ONCE)
    labels = [source.training_set.read(rows).labels for rows in chunks]
    return torch.cat([part for part in labels if part is not None])
