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
from harness.training.loop import Surroundings, TrainingLoop, TrainingResult
from harness.training.task import BankSource, TrainingTask
from harness.training.training_log import keep_log
from harness.weights import state_dicts


def run(cell: Cell, base: Output, source: CheckedSource, context: Context) -> Output:
    """Fine-tune the cell's weights, unless they are there.

    Args:
        base: the weights of the cell's base.
        source: the board's dataset.
    Returns: the output with `weights.safetensors`, and `log.jsonl` where the method trains; see
        `harness.stages.facts.FinetuneFacts`.
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
        around = context.surroundings(cell.name, "finetune", cell.finetune_key, _config(cell))
        trained = context.train(lambda around: _loop(cell, base, source, context, around), around)
        images, steps = cell.training.images, cell.training.steps
        keep_log(around.log, folder)
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


def _config(cell: Cell) -> dict[str, object]:
    return {"method": cell.method.identity, "training": cell.training.identity, "seed": cell.seed}


def _loop(cell: Cell, base: Output, source: CheckedSource, context: Context, around: Surroundings) -> TrainingLoop:
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
        around=around,
        curve=curve_of(cell, source, task, sampler, context),
        name=f"method {cell.method.name}",
    )
