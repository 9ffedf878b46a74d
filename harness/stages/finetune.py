"""Stage 2, finetune: take the base's weights through a method."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.board.cells import Cell
from harness.sampling import drawing, latents
from harness.stages import base as base_stage
from harness.stages import encoding, initial
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.curve_measuring import curve_of
from harness.stages.prepare import BaseSampler
from harness.store import outputs
from harness.store.outputs import Output
from harness.training.loop import TrainingLoop, TrainingResult
from harness.training.task import BankSource, TrainingTask
from harness.weights import state_dicts


def run(cell: Cell, base: Output, source: CheckedSource, context: Context) -> Output:
    """Fine-tune the cell's weights, unless they are there.

    Args:
        base: the weights of the cell's base.
        source: the board's dataset.
    Returns: the output with `weights.safetensors`; see `harness.stages.facts.FinetuneFacts`.
    """
    context.reporter.stage("finetune")
    output = outputs.once(
        context.runs,
        "finetune",
        cell.finetune_key,
        lambda folder: _finetune(cell, base, source, context, folder),
        resumes=cell.trains,
    )
    shutil.rmtree(context.runs.work("finetune", cell.finetune_key), ignore_errors=True)  # checkpoints
    return output


def _finetune(cell: Cell, base: Output, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    if cell.trains:
        trained, images, steps = _train(cell, base, source, context), cell.training.images, cell.training.steps
    else:
        trained, images, steps = TrainingResult(state_dicts.load(base.folder / base_stage.WEIGHTS), 0.0, 0, [], None), 0, 0
    state_dicts.save(trained.weights, folder / base_stage.WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "images_seen": images,
        "steps": steps,
        "seconds": trained.seconds,
        "network_evaluations": trained.network_evaluations,
        "curve": trained.curve,
        "selected_images": trained.selected_images,
    }


def _train(cell: Cell, base: Output, source: CheckedSource, context: Context) -> TrainingResult:
    network = base_stage.load(cell.base, base, source, context)
    sampler = BaseSampler(cell.base, source, context).ready
    banks = BankSource(context.runs, sampler, cell.base.network.sampler.identity, cell.seed, cell.evaluation.batch)
    task = TrainingTask(network, latents.network_spec(network, source.spec), context.device, cell.training, banks)
    for other in drawing.extra_networks(sampler):
        task.counter.watch(other)
    return TrainingLoop(
        task,
        initial.method(cell.method, task, seed=cell.seed),
        encoding.training_data(network, source, context),
        cell.training,
        seed=cell.seed,
        folder=context.runs.work("finetune", cell.finetune_key),
        checkpoint_seconds=context.options.checkpoint_seconds,
        listener=context.listener(cell.name),
        curve=curve_of(cell, source, task, sampler, context),
    ).run()
