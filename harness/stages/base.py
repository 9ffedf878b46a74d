"""Stage 1, base: a model with pretrained weights, made once and shared by all cells that name it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from harness.board.bases import Base, Loaded, Pretrained
from harness.interfaces import DataSource
from harness.sampling import latents
from harness.stages import context, loading
from harness.stages import encoding as latent_stage
from harness.stages.context import Context
from harness.store import outputs
from harness.store.outputs import Output
from harness.training.loop import Loop
from harness.training.task import LiveTask
from harness.weights import state_dicts

WEIGHTS = "weights.safetensors"


def run(base: Base, at: Context) -> Output:
    """The base's output: `weights.safetensors`, and facts: its hash, parameters, seconds, images seen.

    The steps of pretraining before its last one are outputs of their own.
    """
    at.reporter.stage("base")
    output = outputs.once(
        at.layout, "base", base.key, lambda folder: _make(base, at, folder), resumes=isinstance(base.origin, Pretrained)
    )
    shutil.rmtree(at.layout.work("base", base.key), ignore_errors=True)
    return output


def load(base: Base, output: Output, source: DataSource, at: Context) -> torch.nn.Module:
    """The base's network, in eval mode."""
    network = build(base, source, at)
    network.load_state_dict(state_dicts.load(output.folder / WEIGHTS))
    return network


def build(base: Base, source: DataSource, at: Context, *, seed: int = 0) -> torch.nn.Module:
    """The base's network with initial weights, in eval mode."""
    return context.model(base.network.model, base.network.spec_on(source.spec), at.device, seed=seed)


def _make(base: Base, at: Context, folder: Path) -> dict[str, object]:
    match base.network:
        case Pretrained() as pretrained:
            return _pretrain(base, pretrained, at, folder)
        case Loaded() as loaded:
            return _read(base, loaded, at, folder)


def _read(base: Base, loaded: Loaded, at: Context, folder: Path) -> dict[str, object]:
    source = context.dataset(base.dataset)
    network = build(base, source, at)
    loading.load(loaded, network)
    state = state_dicts.snapshot(network)
    state_dicts.save(state, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(state),
        "parameters": state_dicts.parameters(network),
        "seconds": 0.0,
        "images_seen": 0,
        **loaded.identity,
    }


def _pretrain(base: Base, step: Pretrained, at: Context, folder: Path) -> dict[str, object]:
    source = context.dataset(base.dataset)
    if step.after is None:
        network = build(base, source, at, seed=step.seed)
    else:
        network = load(step.after, run(step.after, at), source, at)
    task = LiveTask(network, latents.space(network, source.spec), at.device, step.training, banks=None)
    trained = Loop(
        task,
        context.method(step.method, task, seed=step.seed),
        latent_stage.training_data(network, source, at),
        step.training,
        seed=step.seed,
        folder=at.layout.work("base", base.key),
        checkpoint_seconds=at.options.checkpoint_seconds,
        listener=at.listener(base.name),
    ).run()
    state_dicts.save(trained.weights, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "parameters": state_dicts.parameters(network),
        "seconds": trained.seconds,
        "images_seen": step.training.images,
        **step.last_step,
    }
