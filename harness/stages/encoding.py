"""What a network is trained on: the dataset's examples, or, of a model that works in latents, what is kept of each image."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from harness.capabilities import WorksInLatents
from harness.interfaces import Batch, DataSource
from harness.sampling import latents
from harness.stages import context
from harness.stages.context import Context
from harness.store import outputs
from harness.store.keys import digest
from harness.weights import state_dicts

KEPT = "kept.safetensors"
_TRAINING: dict[tuple[str, torch.device], Batch] = {}


def training_data(network: torch.nn.Module, source: DataSource, at: Context) -> Batch:
    """On the device. A dataset is encoded once for all networks with the same autoencoder, and read once a process."""
    if not isinstance(network, WorksInLatents):
        return context.training_data(source, at.device)
    key = digest(stage="latents", fingerprint=source.fingerprint, autoencoder=network.autoencoder_identity())
    if (key, at.device) not in _TRAINING:
        data = context.training_data(source, at.device)
        output = outputs.once(at.layout, "latents", key, lambda folder: _encode(network, data, folder))
        kept = state_dicts.load(output.folder / KEPT)["kept"]
        _TRAINING[key, at.device] = Batch(kept.to(at.device), data.labels)
    return _TRAINING[key, at.device]


def _encode(network: WorksInLatents, data: Batch, folder: Path) -> dict[str, object]:
    started = time.perf_counter()
    kept = latents.encode_dataset(network, data)
    state_dicts.save({"kept": kept}, folder / KEPT)
    return {"seconds": time.perf_counter() - started, "images": len(kept)}
