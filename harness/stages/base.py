"""Stage 1, base: a model with pretrained weights, made once and shared by all cells that name it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from harness.board.cells import Base
from harness.interfaces import DataSource
from harness.stages import context
from harness.stages.context import Context
from harness.store import stage
from harness.store.stage import Output
from harness.training import weights
from harness.training.loop import Loop
from harness.training.task import LiveTask

WEIGHTS = "weights.safetensors"


def run(base: Base, at: Context) -> Output:
    """The base's output: `weights.safetensors`, and facts: its hash, parameters, seconds, images seen.

    The steps of pretraining before its last one are outputs of their own.
    """
    at.reporter.stage("base")
    output = stage.once(at.layout, "base", base.key, lambda folder: _pretrain(base, at, folder), resumes=True)
    shutil.rmtree(at.layout.work("base", base.key), ignore_errors=True)
    return output


def load(base: Base, output: Output, source: DataSource, at: Context) -> torch.nn.Module:
    """The base's network, in eval mode."""
    network = context.model(base.model, source.spec, at.device)
    network.load_state_dict(weights.load(output.folder / WEIGHTS))
    return network


def _pretrain(base: Base, at: Context, folder: Path) -> dict[str, object]:
    source = context.dataset(base.dataset)
    if base.after is None:
        network = context.model(base.model, source.spec, at.device, seed=base.seed)
    else:
        network = load(base.after, run(base.after, at), source, at)
    task = LiveTask(network, source.spec, at.device, base.training, banks=None)
    trained = Loop(
        task,
        context.method(base.method, task, seed=base.seed),
        context.training_data(source, at.device),
        base.training,
        seed=base.seed,
        folder=at.layout.work("base", base.key),
        checkpoint_seconds=at.options.checkpoint_seconds,
        listener=at.listener(base.name),
    ).run()
    weights.save(trained.weights, folder / WEIGHTS)
    return {
        "weights_sha256": weights.sha256(trained.weights),
        "parameters": weights.parameters(network),
        "seconds": trained.seconds,
        "images_seen": base.training.images,
        "method": base.method.identity,
        "training": base.training.identity,
        "seed": base.seed,
    }
