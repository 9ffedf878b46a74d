"""Training data as a network takes them: the dataset's examples, or what an autoencoder makes of each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from harness.board.bases import Base
from harness.board.components import Resolved
from harness.capabilities import TakesAugmentation, WorksInLatents
from harness.components import Model
from harness.errors import UserError
from harness.indexed_sets import InFile
from harness.interfaces import Batch
from harness.process.crew import ALONE, Crew
from harness.row_files import RowFile
from harness.sampling import latents
from harness.stages import initial, sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.encoded_examples import EncodedExamples
from harness.stages.encoded_file import KEPT, EncodedFile
from harness.stages.options import JobOptions
from harness.stages.process_cache import MEMBER_CACHE
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder
from harness.training.config import DataPlace, TrainingConfig
from harness.training.placement import placed
from harness.weights.tensor_rows import tensors

LABELS_AT_ONCE = 4096
"""Examples whose labels are read at once, where an older version kept none beside the encoded data."""


def training_data(
    network: torch.nn.Module,
    model: Resolved[Model],
    source: CheckedSource,
    context: Context,
    training: TrainingConfig,
    base: Base | None = None,
) -> EncodedExamples:
    """Return all training data in the form that the network trains on, where the budget says that they are read.

    A network that works in latents gets what its autoencoder keeps of each image. A dataset is encoded once for all networks
    with the same autoencoder.

    Args:
        model, base: as in `examples`.
    Raises: UserError where the budget flips something else than images.
    """
    if training.flip and (isinstance(network, WorksInLatents) or source.spec.preview != "images"):
        form = "latents, which are encoded once" if isinstance(network, WorksInLatents) else source.spec.preview
        raise UserError(f"training.flip mirrors images, and the network trains on {form}: remove flip")
    if training.augment is not None:
        _check_augmentation(network, source, training.augment.LABELS)
    return examples(network, model, source, context, training.data, base)


def _check_augmentation(network: torch.nn.Module, source: CheckedSource, labels: int) -> None:
    """Raises: UserError where the training set has no images, or the network takes another number of labels of augmentation."""
    if source.spec.preview != "images":
        raise UserError(f"training.augment changes images, and the network trains on {source.spec.preview}: remove augment")
    taken = network.augmentation_labels if isinstance(network, TakesAugmentation) else 0
    if taken != labels:
        raise UserError(
            f"augment gives {labels} labels for each image, and the network takes {taken}: it would draw augmented images"
        )


def examples(
    network: torch.nn.Module,
    model: Resolved[Model],
    source: CheckedSource,
    context: Context,
    where: DataPlace = "disk",
    base: Base | None = None,
) -> EncodedExamples:
    """Return all training data in the form that the network trains on.

    Args:
        model: the network's. Its name and version are part of the key: a plugin raises the version where it encodes otherwise.
        where: where they are kept; by default they are read where they are.
        base: whose network it is: other processes of the job then build it too, and share the encoding. None shares nothing.
    """
    if not isinstance(network, WorksInLatents):
        return EncodedExamples(source.placed_training_set(where, context.device))
    encoder = {"name": model.name, "version": model.version}
    key = digest(stage="latents", fingerprint=source.fingerprint, model=encoder, autoencoder=network.autoencoder_identity())
    kept = f"{key}, {where} of {context.device}" + (", anew" if context.makes_anew else "")

    def make() -> EncodedExamples:
        output = _encoded(network, model, source, key, context, base)
        return EncodedExamples(placed(_read(output, source), where, context.device), sources.of_facts(output.facts))

    return context.cache.encoded(kept, make)


def _encoded(
    network: WorksInLatents, model: Resolved[Model], source: CheckedSource, key: str, context: Context, base: Base | None
) -> Output:
    made_by = sources.of(model, source.dataset)
    work, code = context.runs.work("latents", key), sources.as_json(made_by)
    crew = ALONE if base is None else context.crew
    file = EncodedFile(work, digest(latents=key, code=code, device=context.device.type), crew)

    def make(folder: Path) -> dict[str, object]:
        images = source.training_set
        context.reporter.stage("encode")
        steps = len(images)
        with crew.employ(helper, base, network.autoencoder_identity(), context.runs, context.options):
            seconds = file.write(
                network, images, context.device, lambda done: context.reporter.step(done, steps, {}, images_per_step=1)
            )
        file.hand_over(folder)
        return {"seconds": seconds, "images": len(images), "sources": code}

    return context.once("latents", key, make, made_by, resumes=True)


def helper(
    crew: Crew, base: Base, identity: Mapping[str, object], runs: RunsFolder, options: JobOptions
) -> Callable[[int], Batch]:
    """Return a function that encodes a chunk, in a process that is not the lead of its job.

    Raises: RuntimeError where the base's model has another autoencoder here.
    """
    context = Context(runs, options, base.full_name, MEMBER_CACHE, crew=crew)
    source = context.dataset(base.dataset)
    network = initial.network(base.network.model, base.network.spec_on(source.spec), context.device, seed=0)
    if not isinstance(network, WorksInLatents) or network.autoencoder_identity() != identity:
        raise RuntimeError(f"base {base.full_name}: its model has another autoencoder in another process")
    return lambda start: latents.encoded_rows(network, source.training_set, context.device, start)


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
