"""Training data as a network takes them: the dataset's examples, or what an autoencoder makes of each image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from harness.capabilities import WorksInLatents
from harness.interfaces import Batch
from harness.sampling import latents
from harness.stages import sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.store.keys import digest
from harness.store.records import SourceFacts
from harness.weights import state_dicts

KEPT = "kept.safetensors"


def training_data(network: torch.nn.Module, source: CheckedSource, context: Context, made_by: Sequence[SourceFacts]) -> Batch:
    """Return all training data on the device, in the form that the network trains on.

    A network that works in latents gets what its autoencoder keeps of each image. A dataset is encoded once for all networks
    with the same autoencoder.

    Args:
        made_by: the code of the network's model and of the dataset.
    """
    if not isinstance(network, WorksInLatents):
        return source.training_data(context.device)
    key = digest(stage="latents", fingerprint=source.fingerprint, autoencoder=network.autoencoder_identity())
    kept = f"{key}, anew" if context.makes_anew else key
    return context.cache.encoded(kept, context.device, lambda: _encoded(network, source, key, context, made_by))


def _encoded(network: WorksInLatents, source: CheckedSource, key: str, context: Context, made_by: Sequence[SourceFacts]) -> Batch:
    data = source.training_data(context.device)

    def make(folder: Path) -> dict[str, object]:
        return {**_encode(network, data, folder), "sources": sources.as_json(made_by)}

    output = context.once("latents", key, make, made_by)
    kept = state_dicts.load(output.folder / KEPT)["kept"]
    return Batch(kept.to(context.device), data.labels)


def _encode(network: WorksInLatents, data: Batch, folder: Path) -> dict[str, object]:
    started = time.perf_counter()
    kept = latents.encode_dataset(network, data)
    state_dicts.save({"kept": kept}, folder / KEPT)
    return {"seconds": time.perf_counter() - started, "images": len(kept)}
