"""Stage 2, finetune: the base's weights through a method."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from harness.board.cells import Cell
from harness.interfaces import DataSource, SampleFunction
from harness.sampling import drawing, latents
from harness.stages import base as base_stage
from harness.stages import context, draws, metrics, prepare
from harness.stages import encoding as latent_stage
from harness.stages.context import Context
from harness.store import outputs
from harness.store.outputs import Output
from harness.streams import stream
from harness.training.curve import Curve
from harness.training.loop import Loop, Trained
from harness.training.task import BankSource, LiveTask
from harness.weights import state_dicts


def run(cell: Cell, base: Output, at: Context) -> Output:
    """The cell's output: `weights.safetensors`, and facts: its hash, costs, curve."""
    at.reporter.stage("finetune")
    output = outputs.once(
        at.layout, "finetune", cell.finetune_key, lambda folder: _finetune(cell, base, at, folder), resumes=cell.trains
    )
    shutil.rmtree(at.layout.work("finetune", cell.finetune_key), ignore_errors=True)
    return output


def _finetune(cell: Cell, base: Output, at: Context, folder: Path) -> dict[str, object]:
    if cell.trains:
        trained, images, steps = _train(cell, base, at), cell.training.images, cell.training.steps
    else:
        trained, images, steps = Trained(state_dicts.load(base.folder / base_stage.WEIGHTS), 0.0, 0, [], None), 0, 0
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


def _train(cell: Cell, base: Output, at: Context) -> Trained:
    source = context.dataset(cell.base.dataset)
    network = base_stage.load(cell.base, base, source, at)
    sampler = prepare.sampler(cell.base, at)
    banks = BankSource(at.layout, sampler, cell.base.network.sampler.identity, cell.seed, cell.evaluation.batch)
    task = LiveTask(network, latents.space(network, source.spec), at.device, cell.training, banks)
    for other in drawing.extra_networks(sampler):
        task.counter.watch(other)
    return Loop(
        task,
        context.method(cell.method, task, seed=cell.seed),
        latent_stage.training_data(network, source, at),
        cell.training,
        seed=cell.seed,
        folder=at.layout.work("finetune", cell.finetune_key),
        checkpoint_seconds=at.options.checkpoint_seconds,
        listener=at.listener(cell.name),
        curve=_curve(cell, source, task, sampler, at),
    ).run()


def _curve(cell: Cell, source: DataSource, task: LiveTask, sampler: SampleFunction, at: Context) -> Curve | None:
    settings = cell.curve
    if settings is None:
        return None
    column = next(column for column in cell.columns if column.name == settings.metric)
    number = draws.selection(cell.seed)
    real = None if column.extractor else source.evaluation(number, settings.samples)
    twin = task.frozen_copy()

    def measure(candidate: Mapping[str, Tensor]) -> float:
        twin.load_state_dict(candidate)
        drawn = drawing.draw_data(
            sampler,
            twin,
            source.spec,
            n=settings.samples,
            seed=cell.seed,
            purpose="selection",
            batch=cell.evaluation.batch,
            device=task.device,
        )
        generator = stream(cell.seed, "selection metric")
        if real is not None:
            value = context.metric(column.metric)(drawn.batch, real, generator)
        else:
            value = metrics.of_batch(column, drawn.batch, cell.base.dataset, number, generator, at)
        return next(iter(value.values()))

    return Curve(measure, settings.points, column.higher_is_better, cell.training.select == "best")
