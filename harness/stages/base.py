"""Stage 1, base: a model with pretrained weights, made once and shared by all cells that name it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from harness.board.cells import Base
from harness.interfaces import DataSource
from harness.sampling import latents
from harness.stages import context, loading
from harness.stages import encoding as latent_stage
from harness.stages.context import Context
from harness.store import outputs
from harness.store.outputs import Output
from harness.training.loop import TrainingLoop
from harness.training.task import TrainingTask
from harness.weights import state_dicts

WEIGHTS = "weights.safetensors"


def run(base: Base, at: Context) -> Output:
    """The base's output: `weights.safetensors`, and facts: its hash, parameters, seconds, images seen.

    The steps of pretraining before its last one are outputs of their own.
    """
    at.reporter.stage("base")
    make = _pretrain if base.weights is None else _read
    output = outputs.once(at.layout, "base", base.key, lambda folder: make(base, at, folder), resumes=base.weights is None)
    shutil.rmtree(at.layout.work("base", base.key), ignore_errors=True)
    return output


def load(base: Base, output: Output, source: DataSource, at: Context) -> torch.nn.Module:
    """The base's network, in eval mode."""
    network = build(base, source, at)
    network.load_state_dict(state_dicts.load(output.folder / WEIGHTS))
    return network


def build(base: Base, source: DataSource, at: Context, *, seed: int = 0) -> torch.nn.Module:
    """The base's network with initial weights, in eval mode."""
    spec = source.spec if base.weights is None else base.weights.spec_on(source.spec)
    return context.model(base.model, spec, at.device, seed=seed)


def _read(base: Base, at: Context, folder: Path) -> dict[str, object]:
    assert base.weights is not None
    source = context.dataset(base.dataset)
    network = build(base, source, at)
    loading.load(base, network)
    state = state_dicts.snapshot(network)
    state_dicts.save(state, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(state),
        "parameters": state_dicts.parameters(network),
        "seconds": 0.0,
        "images_seen": 0,
        "weights": base.weights.identity,
    }


def _pretrain(base: Base, at: Context, folder: Path) -> dict[str, object]:
    assert base.method is not None
    assert base.training is not None
    source = context.dataset(base.dataset)
    if base.after is None:
        network = build(base, source, at, seed=base.seed)
    else:
        network = load(base.after, run(base.after, at), source, at)
    task = TrainingTask(network, latents.network_spec(network, source.spec), at.device, base.training, banks=None)
    trained = TrainingLoop(
        task,
        context.method(base.method, task, seed=base.seed),
        latent_stage.training_data(network, source, at),
        base.training,
        seed=base.seed,
        folder=at.layout.work("base", base.key),
        checkpoint_seconds=at.options.checkpoint_seconds,
        listener=at.listener(base.name),
    ).run()
    state_dicts.save(trained.weights, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "parameters": state_dicts.parameters(network),
        "seconds": trained.seconds,
        "images_seen": base.training.images,
        "method": base.method.identity,
        "training": base.training.identity,
        "seed": base.seed,
    }
