"""Stage 2, finetune: take the base's weights through a method."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.components import Component
from harness.sampling import drawing, latents
from harness.stages import base as base_stage
from harness.stages import encoding, initial, renewal, sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.curve_measuring import curve_of
from harness.stages.prepare import BaseSampler
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.records import SourceFacts
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
        keeps_unsealed=cell.trains,
        owner=cell.name,
    )
    shutil.rmtree(context.runs.work("finetune", cell.finetune_key), ignore_errors=True)  # checkpoints
    return output


def _finetune(cell: Cell, base: Output, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    made_by = sources.of_facts(base.facts)
    banks: list[str] = []
    if cell.trains:
        starts: list[tuple[TrainingTask, BaseSampler, list[SourceFacts]]] = []

        def make(around: Surroundings) -> TrainingLoop:
            starts.append(_start(cell, base, source, context))
            context.reporter.stage("finetune")  # `_start` may have prepared the sampler
            return _loop(cell, starts[-1][0], starts[-1][1], source, context, around)

        around = context.surroundings(cell.name, "finetune", cell.finetune_key, _config(cell))
        trained = context.train(make, around)
        keep_log(around.log, folder)
        task, sampler, own = starts[0]
        banks = list(task.bank_costs)
        made_by = sources.merged(made_by, own, sampler.sources, *_sources_of_banks(banks, context))
    else:
        trained = TrainingResult(state_dicts.load(base.folder / base_stage.WEIGHTS), 0.0, 0, [], None)
    state_dicts.save(trained.weights, folder / base_stage.WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "images_seen": trained.steps * cell.training.batch,
        "steps": trained.steps,
        "seconds": trained.seconds,
        "network_evaluations": trained.network_evaluations,
        "curve": trained.curve,
        "selected_images": trained.selected_images,
        "sources": sources.as_json(made_by),
        "banks": banks,
    }


def _config(cell: Cell) -> dict[str, object]:
    return {"method": cell.method.identity, "training": cell.training.identity, "seed": cell.seed}


def _start(
    cell: Cell, base: Output, source: CheckedSource, context: Context
) -> tuple[TrainingTask, BaseSampler, list[SourceFacts]]:
    """Return the task of the cell's method, the sampler, and the code of the training."""
    network = base_stage.load(cell.base, base, source, context)
    origin = cell.base.network
    used = [origin.model, cell.base.dataset, origin.sampler, cell.method, *_curve_components(cell)]
    own = sources.of_training(context.runs.work("finetune", cell.finetune_key), *used)
    sampler = BaseSampler(cell.base, source, context)
    banks = _bank_source(cell, sampler, context)
    task = TrainingTask(network, latents.network_spec(network, source.spec), context.device, cell.training, banks)
    for other in drawing.extra_networks(sampler.ready):
        task.counter.watch(other)
    return task, sampler, own


def _bank_source(cell: Cell, sampler: BaseSampler, context: Context) -> BankSource:
    network = cell.base.network
    code, weights = sources.of(network.model, network.sampler), sampler.weights_called

    def is_of_other_weights(bank: Output) -> bool:
        # An older version did not note the weights: its banks stay in use until they are to be made anew.
        drawn_with = bank.facts.get("base_weights_sha256")
        return context.makes_anew if drawn_with is None else drawn_with != weights

    def before_use(key: str) -> None:
        if context.makes_anew:
            renewal.set_aside_other_code(context.runs, "bank", key, code)
        if weights:
            renewal.set_aside_where(context.runs, "bank", key, is_of_other_weights)

    identity, batch = network.sampler.identity, cell.evaluation.batch
    return BankSource(context.runs, sampler.ready, identity, cell.seed, batch, sources.as_json(code), weights, before_use)


def _curve_components(cell: Cell) -> list[Resolved[Component]]:
    curve = cell.curve
    return [part for column in cell.columns if curve and column.name == curve.metric for part in column.components]


def _sources_of_banks(keys: Sequence[str], context: Context) -> list[list[SourceFacts]]:
    """Return the sources of stored banks, which another cell may have drawn, with other code."""
    stored = [outputs.find(context.runs, "bank", key) for key in keys]
    return [sources.of_facts(bank.facts) for bank in stored if bank is not None]


def _loop(
    cell: Cell, task: TrainingTask, sampler: BaseSampler, source: CheckedSource, context: Context, around: Surroundings
) -> TrainingLoop:
    return TrainingLoop(
        task,
        initial.method(cell.method, task, seed=cell.seed),
        encoding.training_data(task.model, source, context, sources.of(cell.base.network.model, cell.base.dataset)),
        cell.training,
        seed=cell.seed,
        around=around,
        curve=curve_of(cell, source, task, sampler.ready, context),
        name=f"method {cell.method.name}",
    )
