"""Stage 2, finetune: take the base's weights through a method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.components import Component
from harness.errors import Diverged
from harness.process.crew import Crew
from harness.sampling import drawing, latents
from harness.sampling.drawing import DrawnSamples
from harness.stages import base as base_stage
from harness.stages import encoding, initial, renewal, shared_training, sources, starting_weights
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.curve_measuring import MergedPoint, curve_of, merged_drawer, sources_of_real
from harness.stages.facts import BaseFacts, FinetuneFacts, SharedTrainingFacts
from harness.stages.options import JobOptions
from harness.stages.prepare import BaseSampler
from harness.stages.process_cache import MEMBER_CACHE
from harness.stages.shared_training import KeepingLoop
from harness.stages.starting_weights import BaseWeights
from harness.store import outputs
from harness.store.files import remove_folder
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder
from harness.training import evaluations, training_log
from harness.training.loop import TrainingLoop
from harness.training.method import Weights
from harness.training.surroundings import Surroundings
from harness.training.task import BankSource, TrainingTask
from harness.training.training_log import TrainingLog, keep_log
from harness.training.training_result import TrainingResult
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
    weights = _starting_weights(cell, base, source, context)

    def is_of_other_weights(made: Output) -> bool:
        return starting_weights.are_others(FinetuneFacts.of(made).base_weights_sha256, weights)

    output = outputs.once(
        context.runs,
        "finetune",
        cell.finetune_key,
        lambda folder: _finetune(cell, base, source, context, folder, weights),
        is_outdated=is_of_other_weights,
        resumes=cell.trains,
        keeps_unsealed=cell.trains,
        owner=cell.name,
    )
    remove_folder(context.runs.work("finetune", cell.finetune_key))  # checkpoints
    return output


def _starting_weights(cell: Cell, base: Output, source: CheckedSource, context: Context) -> dict[str, str]:
    """Return the hash of the weights of each base that has a part in the cell's weights, by the base's key."""
    called = BaseSampler(cell.base, source, context).weights_called if cell.trains else {}
    return {cell.base.key: BaseFacts.of(base).weights_sha256, **called}


def _finetune(
    cell: Cell, base: Output, source: CheckedSource, context: Context, folder: Path, weights: BaseWeights
) -> dict[str, object]:
    """Make the cell's weights. weights: of the bases. Returns: the facts of the output."""
    made_by = sources.of_facts(base.facts)
    banks: list[str] = []
    if cell.trains:
        train = _merged if cell.row.shares_training else _alone
        trained, banks, own = train(cell, base, source, context, folder, weights)
        made_by = sources.merged(made_by, own)
    else:
        of_base = state_dicts.load(base.folder / base_stage.WEIGHTS)
        trained = TrainingResult(of_base, 0.0, 0, [], None, evaluations=evaluations.NONE)
    state_dicts.save(trained.weights, folder / base_stage.WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "images_seen": trained.steps * cell.training.batch,
        "steps": trained.steps,
        "seconds": trained.seconds,
        "seconds_steps": _seconds_of_steps(trained, banks, context) if cell.trains else None,
        "network_evaluations": trained.network_evaluations,
        **({} if trained.evaluations is None else trained.evaluations.facts),
        "curve": trained.curve,
        "selected_images": trained.selected_images,
        "sources": sources.as_json(made_by),
        "banks": banks,
        "base_weights_sha256": weights,
    }


class _Trained(NamedTuple):
    """The result of training, the keys of the banks that it used, and the code that had a part in it."""

    result: TrainingResult
    banks: list[str]
    sources: list[SourceFacts]


def _alone(cell: Cell, base: Output, source: CheckedSource, context: Context, folder: Path, weights: BaseWeights) -> _Trained:
    """Train the cell, and keep its log."""
    return _train(cell, base, source, context, folder, weights, stage="finetune", key=cell.finetune_key)


def _merged(cell: Cell, base: Output, source: CheckedSource, context: Context, folder: Path, weights: BaseWeights) -> _Trained:
    """Measure what the cell's method makes of a training that other cells may share; keep the log of both."""
    around = context.surroundings(cell.name, "finetune", cell.finetune_key, _config(cell))
    shared = _shared(cell, base, source, context, weights, around.log)
    task, sampler, own = _start(cell, base, source, context, around.folder)
    context.reporter.stage("finetune")  # `_start` may have prepared the sampler
    point = MergedPoint()
    merging = shared_training.Merging(
        shared,
        cell.shared_training_key,
        initial.method(cell.method, task, seed=cell.seed),
        f"method {cell.method.name}",
        curve_of(cell, source, task, sampler.ready, context, point),
        around,
        cell.training.batch,
        lambda: task.counter.examples,
        point,
    )
    shares_curve = context.crew.size > 1 and cell.curve is not None
    with context.crew.employ(helper, cell, base, shared, context.runs, context.options) if shares_curve else nullcontext():
        trained = merging.result()
    keep_log(around.log, folder)
    made_by = sources.merged(own, sampler.sources, sources_of_real(cell, source, context), sources.of_facts(shared.facts))
    return _Trained(trained, SharedTrainingFacts.of(shared).banks, made_by)


def _shared(
    cell: Cell, base: Output, source: CheckedSource, context: Context, weights: BaseWeights, log: TrainingLog | None
) -> Output:
    """Return the training of the cell, without its curve; train now unless another cell has, on the same weights of the bases.

    Args:
        log: the cell's own log, which gets the lines of a training that has diverged.
    """
    key = cell.shared_training_key
    work = context.runs.work("training", key)

    def is_of_other_weights(training: Output) -> bool:
        return starting_weights.are_others(SharedTrainingFacts.of(training).base_weights_sha256, weights)

    def make(folder: Path) -> dict[str, object]:
        trained = _train(cell, base, source, context, folder, weights, stage="training", key=key)
        facts = shared_training.keep(trained.result, work, folder)
        made_by = {"sources": sources.as_json(trained.sources), "banks": trained.banks}
        return {**facts, **made_by, "base_weights_sha256": weights}

    try:
        shared = outputs.once(context.runs, "training", key, make, is_outdated=is_of_other_weights, resumes=True)
    except Diverged:
        if log is not None:
            log.take(work / training_log.FILE, key)
        raise
    remove_folder(work)  # checkpoints
    return shared


def _train(
    cell: Cell, base: Output, source: CheckedSource, context: Context, folder: Path, weights: BaseWeights, *, stage: str, key: str
) -> _Trained:
    """Train, and keep the log in the folder of the output. stage, key: of the output."""
    starting_weights.begin_on(context.runs.work(stage, key), weights)
    starts: list[tuple[TrainingTask, BaseSampler, list[SourceFacts]]] = []

    def make(around: Surroundings) -> TrainingLoop:
        task, sampler, code = _start(cell, base, source, context, context.runs.work(stage, key))
        context.reporter.stage("finetune")  # `_start` may have prepared the sampler
        loop, encoded_by = _loop(cell, task, sampler, source, context, around, is_shared=stage == "training")
        starts.append((task, sampler, sources.merged(code, encoded_by)))
        context.crew.follow(follow, cell, base, stage, key, context.runs, context.options)
        return loop

    around = context.surroundings(cell.name, stage, key, _config(cell))
    trained = context.train(make, around)
    keep_log(around.log, folder)
    task, sampler, own = starts[0]
    banks = list(task.bank_costs)
    measured = sources_of_real(cell, source, context) if stage == "finetune" else []
    return _Trained(trained, banks, sources.merged(own, sampler.sources, measured, *_sources_of_banks(banks, context)))


def follow(crew: Crew, cell: Cell, base: Output, stage: str, key: str, runs: RunsFolder, options: JobOptions) -> None:
    """Take the steps of a cell's training in a process that is not the lead of its job. The arguments are those of `_train`."""
    context = Context(runs, options, cell.name, MEMBER_CACHE, crew=crew)
    source = context.dataset(cell.base.dataset)
    task, sampler = _task(cell, base, source, context)
    method = initial.method(cell.method, task, seed=cell.seed)
    data = encoding.training_data(task.model, cell.base.network.model, source, context, cell.training).examples
    curve = curve_of(cell, source, task, sampler.ready, context) if stage == "finetune" else None
    around, name = context.member_surroundings(stage, key), f"method {cell.method.name}"
    TrainingLoop(task, method, data, cell.training, seed=cell.seed, around=around, curve=curve, name=name).run()


def helper(
    crew: Crew, cell: Cell, base: Output, shared: Output, runs: RunsFolder, options: JobOptions
) -> Callable[[tuple[int, range]], DrawnSamples]:
    """Return a function that draws samples of a point of a shared training, in a process that is not the lead of its job."""
    context = Context(runs, options, cell.name, MEMBER_CACHE, crew=crew)
    source = context.dataset(cell.base.dataset)
    task, sampler = _task(cell, base, source, context)
    method = initial.method(cell.method, task, seed=cell.seed)

    def weights(images: int) -> Weights:
        return shared_training.merged_weights(method, shared, images, f"method {cell.method.name}")

    return merged_drawer(cell, sampler.ready, task.frozen_copy(), source.spec, context.device, weights)


def _config(cell: Cell) -> dict[str, object]:
    return {"method": cell.method.identity, "training": cell.training.identity, "seed": cell.seed}


def _start(
    cell: Cell, base: Output, source: CheckedSource, context: Context, work: Path
) -> tuple[TrainingTask, BaseSampler, list[SourceFacts]]:
    """Return the task of the cell's method, the sampler, and the code of the training. work: the folder of its checkpoints."""
    origin = cell.base.network
    used = [origin.model, cell.base.dataset, origin.sampler, cell.method, *_curve_components(cell)]
    own = sources.of_training(work, *used)
    return *_task(cell, base, source, context), own


def _task(cell: Cell, base: Output, source: CheckedSource, context: Context) -> tuple[TrainingTask, BaseSampler]:
    network = base_stage.load(cell.base, base, source, context)
    sampler = BaseSampler(cell.base, source, context)
    banks, spec = _bank_source(cell, sampler, context), latents.network_spec(network, source.spec)
    task = TrainingTask(network, spec, context.device, cell.training, banks, context.crew)
    for other in drawing.extra_networks(sampler.ready):
        task.counter.watch(other)
    return task, sampler


def _bank_source(cell: Cell, sampler: BaseSampler, context: Context) -> BankSource:
    network = cell.base.network
    code, weights = sources.of(network.model, network.sampler), sampler.weights_called

    def is_of_other_weights(bank: Output) -> bool:
        # An older version did not note the weights: its banks stay in use until they are to be made anew.
        drawn_with = bank.facts.get("base_weights_sha256")
        return context.makes_anew if drawn_with is None else drawn_with != weights

    def is_outdated(bank: Output) -> bool:
        if context.makes_anew and renewal.is_of_other_code(bank, code):
            return True
        return bool(weights) and is_of_other_weights(bank)

    return BankSource(
        context.runs,
        sampler.ready,
        {"base": cell.base.key, "sampler": network.sampler.identity},
        cell.seed,
        cell.evaluation.batch,
        sources.as_json(code),
        weights,
        cell.evaluation.sampling_precision,
        is_outdated,
    )


def _curve_components(cell: Cell) -> list[Resolved[Component]]:
    curve = cell.curve
    return [part for column in cell.columns if curve and column.name == curve.metric for part in column.components]


def _sources_of_banks(keys: Sequence[str], context: Context) -> list[list[SourceFacts]]:
    """Return the sources of stored banks, which another cell may have drawn, with other code."""
    stored = [outputs.find_facts(context.runs, "bank", key) for key in keys]
    return [sources.of_facts(bank) for bank in stored if bank is not None]


def _seconds_of_steps(trained: TrainingResult, banks: Sequence[str], context: Context) -> float | None:
    """Return the seconds of a training's steps, without the curve and the drawing of banks; None where a bank is gone."""
    stored = [outputs.find_facts(context.runs, "bank", key) for key in banks]
    seconds = [bank["seconds"] for bank in stored if bank is not None]
    if len(seconds) < len(banks):
        return None
    return max(0.0, trained.seconds_training - math.fsum(value for value in seconds if isinstance(value, int | float)))


def _loop(
    cell: Cell,
    task: TrainingTask,
    sampler: BaseSampler,
    source: CheckedSource,
    context: Context,
    around: Surroundings,
    *,
    is_shared: bool,
) -> tuple[TrainingLoop, Sequence[SourceFacts]]:
    """Return the loop of a cell, and the code that encoded its data.

    A loop that other cells may share keeps weights where the other measures its curve.
    """
    method = initial.method(cell.method, task, seed=cell.seed)
    data, encoded_by = encoding.training_data(task.model, cell.base.network.model, source, context, cell.training, cell.base)
    name = f"method {cell.method.name}"
    if is_shared:
        keeping = KeepingLoop(task, method, data, cell.training, seed=cell.seed, around=around, name=name)
        keeping.points = None if cell.curve is None else cell.curve.points
        return keeping, encoded_by
    curve = curve_of(cell, source, task, sampler.ready, context)
    loop = TrainingLoop(task, method, data, cell.training, seed=cell.seed, around=around, curve=curve, name=name)
    return loop, encoded_by
