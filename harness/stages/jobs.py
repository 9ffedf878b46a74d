"""The jobs that an executor runs in a worker: make a base, measure a floor, take a cell through all its stages."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.board.bases import Base, Examples, Loaded, Pretrained
from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.reading.data_fit import model_fault
from harness.errors import Diverged, EndsTheRun, Interrupted, UserError, as_utf8, error_text
from harness.process import deterministic, stop
from harness.process.crew import ProcessLost
from harness.process.crew_lead import crew_of
from harness.process.out_of_memory import card_memory_advice
from harness.process.peak_memory import PeakMemory
from harness.stages import base as base_stage
from harness.stages import (
    card_usage,
    features,
    finetune,
    kept_logs,
    kept_samples,
    listening,
    metrics,
    record,
    sample,
    sources,
)
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.current_records import has_result, is_measured
from harness.stages.example_faults import DataFault
from harness.stages.facts import BaseFacts, FinetuneFacts, PreparationFacts, SampleFacts
from harness.stages.job_result import BUSY, FAILED, FINISHED, INTERRUPTED, JobResult
from harness.stages.options import JobOptions
from harness.stages.process_cache import ProcessCache
from harness.stages.published import PublishedStatistics
from harness.stages.record import CellResults, record_path
from harness.stages.sample import Samples
from harness.store import cancels, job_log
from harness.store.files import write_text
from harness.store.lease import Busy, check_held, is_any_lost, lease
from harness.store.records import ExtractorFacts, FloorRecord, Record, ReferenceFacts, save_record
from harness.store.runs_folder import RunsFolder

log = logging.getLogger(__name__)

FAULTS = (Exception, SystemExit, KeyboardInterrupt)
"""What code of a plugin may raise; it ends the job and not the worker."""
_CACHE = ProcessCache()
"""What is shared by the jobs of this process. An executor may run several in one; with `local`, each has its own process."""


def run_base(base: Base, runs: RunsFolder, options: JobOptions) -> JobResult:
    """Make the weights of a base; a base of examples has none.

    A failure is logged here. Each cell of the base meets it again, and its record holds the reason.
    """
    if isinstance(base.origin, Examples):
        return FINISHED
    context = _context(runs, options, base.full_name, runs.fresh("base", base.key))
    log = runs.job_log(options.board, "base", base.full_name) if options.board else None
    return _result(lambda: _make_base(base, context), context, f"base {base.full_name}", log)


def run_floor(board: str, floor: Floor, runs: RunsFolder, options: JobOptions, is_smoke: bool) -> JobResult:
    """Measure a floor and write its record."""
    context = _context(runs, options, f"floor/{floor.name}", runs.fresh("floor", floor.key))
    log = runs.job_log(board, "floor", floor.name)
    return _result(lambda: _make_floor(board, floor, context, is_smoke), context, f"floor {floor.name}", log)


def run_cell(cell: Cell, runs: RunsFolder, options: JobOptions) -> JobResult:
    """Take a cell through all stages and write its record, however the cell ends: done, diverged or failed."""
    context = _context(runs, options, cell.name, runs.fresh("cell", cell.key))
    log = runs.job_log(cell.board, "cell", cell.name)
    return _result(lambda: _make_cell(cell, context), context, cell.name, log)


def _context(runs: RunsFolder, options: JobOptions, job: str, fresh: Path) -> Context:
    crew = crew_of(options.devices, options.device, is_deterministic=options.is_deterministic)
    return Context(runs, options, job, _CACHE, fresh.exists(), crew)


def _result(work: Callable[[], JobResult], context: Context, name: str, log: Path | None) -> JobResult:
    """Return the result of some work, and keep its log. Others than bugs become results.

    Args:
        name: of the job.
        log: file of the job's log; None to keep none.
    """
    with job_log.kept(log) as kept:
        try:
            result = _result_of(work, context, name)
        except BaseException:
            kept.write(traceback.format_exc().encode(errors="replace"))
            raise
        if result.outcome != "busy" or kept.is_begun:
            kept.end(f"{result.outcome}: {result.message}" if result.message else result.outcome)
        return result


def _result_of(work: Callable[[], JobResult], context: Context, name: str) -> JobResult:
    """Return the result of some work. Busy, Interrupted, ProcessLost and EndsTheRun become results; other exceptions pass."""
    try:
        with stop.also_when(is_any_lost), cancels.obeyed(context.runs, context.options.command, name):
            return work()
    except Busy:
        return BUSY
    except Interrupted:
        return INTERRUPTED
    except EndsTheRun as error:
        return JobResult("refused", str(error))
    except ProcessLost as error:
        return JobResult("lost", str(error))
    finally:
        context.crew.close()
        context.tracking.close()
        context.reporter.end()


def _make_base(base: Base, context: Context) -> JobResult:
    try:
        with lease(context.runs.lease("base-job", base.key), wait=False):  # a second run says that it waits
            source = context.dataset(base.dataset)
            _check_fit(base, source)
            with context.crew.watched(), _faults_of_devices():
                base_stage.run(base, source, context)
    except (Busy, Interrupted, EndsTheRun, ProcessLost):
        raise
    except FAULTS as error:
        stop.pass_ctrl_c_on(error)
        log.warning("base %s: %s", base.full_name, error_text(error))
        return FAILED
    return FINISHED


def _check_fit(base: Base, source: CheckedSource) -> None:
    """Check a pretrained base against the data, now that they are read. Raises: DataFault when its model does not fit."""
    if isinstance(base.origin, Pretrained) and (fault := model_fault(base.origin.model, source.spec)) is not None:
        raise DataFault(f"base {base.name}: {fault}")


def _make_floor(board: str, floor: Floor, context: Context, is_smoke: bool) -> JobResult:
    path = context.runs.floor(board, floor.name, floor.key)
    with lease(context.runs.lease("floor", floor.key), wait=False):
        if is_measured(board, floor, context.runs):  # another `run` was faster
            return FINISHED
        try:
            with context.crew.watched(), _faults_of_devices():
                floored = metrics.floor(floor, context)
        except (Busy, Interrupted, EndsTheRun, ProcessLost):
            raise
        except FAULTS as error:
            stop.pass_ctrl_c_on(error)
            check_held()
            # The board goes on: if the fault is the metric's, the cells meet it too, and their records hold the reason.
            saved = _save_traceback(error, context.runs, "floor", floor.key)
            log.warning("floor %s: %s (traceback: %s)", floor.name, error_text(error), saved)
            return FAILED
        extractor = floor.column.extractor
        save_record(
            FloorRecord(
                board=board,
                metric=floor.column.name,
                key=floor.key,
                values=floored.measured.values,
                seconds=floored.measured.seconds,
                is_smoke=is_smoke,
                extractor=None if extractor is None else features.extractor_facts(extractor, context),
                reference=next(iter(_references([floor.column]).values()), None),
                sources=floored.sources,
                dataset_fingerprint=context.dataset(floor.dataset).fingerprint,
                held_out=context.dataset(floor.dataset).held_out_examples(),
            ),
            path,
        )
    return FINISHED


def _make_cell(cell: Cell, context: Context) -> JobResult:
    path = record_path(cell, context.runs)
    # A smoke run can make the cells of two rows alike, with one key: then this is no other run, and its stages are soon there.
    with lease(context.runs.lease("cell", cell.key), wait=cell.is_smoke):
        if has_result(cell, context.runs):  # another `run` was faster
            return FINISHED
        made = _record(cell, context)
        kept_logs.keep(cell, context.runs)
        save_record(made, path)
        card_usage.forget(cell, context.runs)
    if made.status != "done":
        job_log.note(f"{made.status}: {made.reason}\n")
    context.tracking.finish(cell, made)
    listening.tell(context.runs, "harness_cell_finished", cell=cell, record=made)
    return FINISHED


def _record(cell: Cell, context: Context) -> Record:
    """Take the cell through all stages. A plugin may raise anything: the cell fails, and the board goes on."""
    device, devices = context.device.type, context.crew.size
    try:
        with context.crew.watched(), _faults_of_devices():
            results = _results(cell, context)
        return record.done(cell, results)
    except (Busy, Interrupted, EndsTheRun, ProcessLost):
        raise
    except Diverged as error:
        return record.unmeasured(cell, "diverged", as_utf8(str(error)), device, devices=devices)
    except FAULTS as error:
        stop.pass_ctrl_c_on(error)
        check_held()  # a fault may come from another process that has taken the cell over
        saved = _save_traceback(error, context.runs, "cell", cell.key)
        hint = "" if isinstance(error, UserError) else f" (traceback: {saved})"
        return record.unmeasured(cell, "failed", f"{error_text(error)}{hint}", device, devices=devices)


def _results(cell: Cell, context: Context) -> CellResults:
    memory = PeakMemory(context.device.type)
    with card_usage.measured(cell, context, begins_here=_begins_here(cell, context)) as card:
        results = _stages(cell, context)
    # Of several processes, each sees its own card alone.
    energy_wh, card_memory_bytes = card.total if context.crew.size == 1 else (None, None)
    return replace(results, peak_memory_bytes=memory.read(), energy_wh=energy_wh, card_memory_bytes=card_memory_bytes)


def _begins_here(cell: Cell, context: Context) -> bool:
    """Return whether no earlier process has trained or sampled for the cell: no output of it is there, and no unfinished one."""
    runs = context.runs
    trainings = [runs.work("finetune", cell.finetune_key)]
    if cell.row.shares_training:
        trainings.append(runs.work("training", cell.shared_training_key))
    has_trained = any(checkpoint for work in trainings for checkpoint in work.glob("step-*"))
    has_trained |= cell.trains and runs.stage("finetune", cell.finetune_key).is_dir()
    has_sampled = any(folder("sample", cell.sample_key).is_dir() for folder in (runs.stage, runs.work))
    return not (has_trained or has_sampled)


def _stages(cell: Cell, context: Context) -> CellResults:
    """Take a cell through its stages. Memory and energy of the whole are measured around them."""
    source = context.dataset(cell.base.dataset)
    base, finetuned = BaseFacts(), FinetuneFacts()
    unsealed: list[str] = []
    match cell.base.origin:
        case Examples() as examples:
            samples = sample.run_examples(cell, examples, source, context)
        case Pretrained() | Loaded():
            base_output = base_stage.run(cell.base, source, context)
            weights = finetune.run(cell, base_output, source, context)
            base, finetuned = BaseFacts.of(base_output), FinetuneFacts.of(weights)
            unsealed = [] if weights.is_sealed else [weights.stage]
            samples = sample.run(cell, weights, source, context)
    measured = metrics.run(cell, samples.output, source, context)
    samples_facts = SampleFacts.of(samples.output)
    stop.check()
    return CellResults(
        base=base,
        finetuned=finetuned,
        samples=samples_facts,
        preparation=_preparation(samples),
        metrics={name: by_code.measured for name, by_code in measured.items()},
        sources=sources.merged(samples_facts.sources, *(by_code.sources for by_code in measured.values())),
        extractors=_extractors(cell, context),
        references=_references(cell.columns),
        dataset_fingerprint=source.fingerprint,
        peak_memory_bytes=0,
        device=context.device.type,
        devices=context.crew.size,
        unsealed=unsealed,
        extraction=kept_samples.extraction(cell, samples_facts, context),
    )


def _preparation(samples: Samples) -> PreparationFacts:
    return PreparationFacts() if samples.preparation is None else PreparationFacts.of(samples.preparation)


def _extractors(cell: Cell, context: Context) -> dict[str, ExtractorFacts]:
    extractors = {column.extractor.name: column.extractor for column in cell.columns if column.extractor is not None}
    return {name: features.extractor_facts(extractor, context) for name, extractor in extractors.items()}


def _references(columns: Iterable[Column]) -> dict[str, ReferenceFacts]:
    references = {column.reference.name: column.reference for column in columns if column.reference is not None}
    return {name: PublishedStatistics(reference).facts for name, reference in references.items()}


@contextmanager
def _faults_of_devices() -> Iterator[None]:
    """Turn what a device raises into one message, where the block has not done so itself. Raises: UserError."""
    with deterministic.advice(), card_memory_advice():
        yield


def _save_traceback(error: BaseException, runs: RunsFolder, stage: str, key: str) -> Path:
    path = runs.work(stage, key) / "traceback.txt"
    text = as_utf8("".join(traceback.format_exception(error)))
    job_log.note(text)
    write_text(path, text)
    return path
