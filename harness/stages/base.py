"""Stage 1, base: a network with pretrained weights, made once and shared by all cells that name it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from harness.board.bases import Base, Loaded, Pretrained
from harness.sampling import latents
from harness.stages import encoding, initial, loading
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.store import outputs
from harness.store.outputs import Output
from harness.training.loop import Surroundings, TrainingLoop
from harness.training.task import TrainingTask
from harness.training.training_log import keep_log
from harness.weights import state_dicts

WEIGHTS = "weights.safetensors"


def run(base: Base, source: CheckedSource, context: Context) -> Output:
    """Make the weights of a base that has a network, unless they are there.

    Args:
        source: the board's dataset.
    Returns: the output with `weights.safetensors`; see `harness.stages.facts.BaseFacts`. Each earlier step of pretraining is a
        base of its own, with its own output.
    """
    context.reporter.stage("base")
    output = outputs.once(
        context.runs,
        "base",
        base.key,
        lambda folder: _make(base, source, context, folder),
        resumes=isinstance(base.network, Pretrained),
    )
    shutil.rmtree(context.runs.work("base", base.key), ignore_errors=True)  # checkpoints of its training
    return output


def load(base: Base, output: Output, source: CheckedSource, context: Context) -> torch.nn.Module:
    """Return the base's network in eval mode, with the weights of an output: the base's own, or fine-tuned ones."""
    network = build(base, source, context)
    network.load_state_dict(state_dicts.load(output.folder / WEIGHTS))
    return network


def build(base: Base, source: CheckedSource, context: Context, *, seed: int = 0) -> torch.nn.Module:
    """Return the base's network in eval mode, with initial weights."""
    return initial.network(base.network.model, base.network.spec_on(source.spec), context.device, seed=seed)


def _make(base: Base, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    match base.network:
        case Pretrained() as last_step:
            return _pretrain(base, last_step, source, context, folder)
        case Loaded() as loaded:
            return _read_files(base, loaded, source, context, folder)


def _read_files(base: Base, loaded: Loaded, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    network = build(base, source, context)
    loading.load(loaded, network)
    weights = state_dicts.snapshot(network)
    state_dicts.save(weights, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(weights),
        "parameters": state_dicts.parameters(network),
        "seconds": 0.0,
        "images_seen": 0,
        **loaded.identity,
    }


def _pretrain(base: Base, step: Pretrained, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    around = context.surroundings(base.name, "base", base.key, step.last_step)
    trained = context.train(lambda around: _loop(base, step, source, context, around), around)
    keep_log(around.log, folder)
    state_dicts.save(trained.weights, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "parameters": trained.parameters,
        "seconds": trained.seconds,
        "images_seen": step.training.images,
        **step.last_step,
    }


def _loop(base: Base, step: Pretrained, source: CheckedSource, context: Context, around: Surroundings) -> TrainingLoop:
    if step.after is None:
        network = build(base, source, context, seed=step.seed)
    else:
        network = load(step.after, run(step.after, source, context), source, context)
    task = TrainingTask(network, latents.network_spec(network, source.spec), context.device, step.training, banks=None)
    return TrainingLoop(
        task,
        initial.method(step.method, task, seed=step.seed),
        encoding.training_data(network, source, context),
        step.training,
        seed=step.seed,
        around=around,
        name=f"method {step.method.name}",
    )
