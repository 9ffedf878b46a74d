"""What an executor runs in a worker: a base, a floor, or a cell through all its stages."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from harness.board.bases import Base, Pretrained
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.components import Resolved
from harness.board.reading.data_fit import model_fault
from harness.components import Extractor
from harness.errors import Diverged, EndsTheRun, Interrupted, UserError
from harness.plugins import registry
from harness.process import stop
from harness.process.peak_memory import PeakMemory
from harness.stages import base as base_stage
from harness.stages import context, finetune, metrics, prepare, record, sample
from harness.stages.checked import DataFault
from harness.stages.context import Context
from harness.stages.job_result import BUSY, FAILED, FINISHED, INTERRUPTED, JobResult
from harness.stages.options import JobOptions
from harness.store.files import write_text
from harness.store.lease import Busy, lease
from harness.store.records import ExtractorFacts, FloorRecord, Record, is_measured, load_record, save_record
from harness.store.runs_folder import RunsFolder

log = logging.getLogger(__name__)


def run_base(base: Base, layout: RunsFolder, options: JobOptions) -> JobResult:
    """Pretrain a base. A failure is logged here, and met again, with its reason, by each cell of the base."""
    if not base.has_network:
        return FINISHED
    at = Context(layout, options, base.name)
    try:
        _check_data(base)
        base_stage.run(base, at)
    except Interrupted:
        return INTERRUPTED
    except EndsTheRun as error:
        return JobResult("refused", str(error))
    except (Exception, SystemExit) as error:
        log.warning("base %s: %s", base.name, _last_line(error))
        return FAILED
    finally:
        at.reporter.end()
    return FINISHED


def _check_data(base: Base) -> None:
    """Raises: DataFault when the model cannot be built for the data, where only reading them could tell."""
    if not isinstance(base.origin, Pretrained):
        return
    if (misfit := model_fault(base.origin.model, context.dataset(base.dataset).spec)) is not None:
        raise DataFault(f"base {base.name}: {misfit}")


def run_floor(board: str, plan: Floor, layout: RunsFolder, options: JobOptions, is_smoke: bool) -> JobResult:
    """Measure a floor and write its record."""
    path = layout.floor(board, plan.name, plan.key)
    at = Context(layout, options, f"floor/{plan.name}")
    try:
        with lease(layout.lease("floor", plan.key), wait=False):
            if not is_measured(path):
                return _measure_floor(board, plan, at, path, is_smoke)
    except Busy:
        return BUSY
    except Interrupted:
        return INTERRUPTED
    except EndsTheRun as error:
        return JobResult("refused", str(error))
    finally:
        at.reporter.end()
    return FINISHED


def _measure_floor(board: str, plan: Floor, at: Context, path: Path, is_smoke: bool) -> JobResult:
    name = plan.column.name
    try:
        measured = metrics.floor(plan, at)
    except (Interrupted, EndsTheRun):
        raise
    except (Exception, SystemExit) as error:
        # The board goes on: its cells meet the same fault if it is the metric's, and say so in their records.
        where = _keep_traceback(error, at.layout, "floor", plan.key)
        log.warning("floor %s: %s (traceback: %s)", plan.name, _last_line(error), where)
        return FAILED
    save_record(
        FloorRecord(
            board=board,
            metric=name,
            key=plan.key,
            values=measured.values,
            seconds=measured.seconds,
            is_smoke=is_smoke,
            extractor=None if plan.column.extractor is None else _extractor(plan.column.extractor, at),
        ),
        path,
    )
    return FINISHED


def run_cell(cell: Cell, layout: RunsFolder, options: JobOptions) -> JobResult:
    """Run a cell and write its record, whatever happens: done, diverged, failed."""
    path = layout.record(cell.board, cell.name, cell.key)
    at = Context(layout, options, cell.name)
    try:
        with lease(layout.lease("cell", cell.key), wait=False):
            if _has_result(path):  # another `run` was faster
                return FINISHED
            result = _record(cell, at)
            save_record(result, path)
    except Busy:
        return BUSY
    except Interrupted:
        return INTERRUPTED
    except EndsTheRun as error:
        return JobResult("refused", str(error))
    finally:
        at.reporter.end()
    registry().listen("harness_cell_finished", cell=cell, record=result)
    return FINISHED


def _record(cell: Cell, at: Context) -> Record:
    device = at.device.type
    memory = PeakMemory(device)
    try:
        base = finetuned = prepared = None
        if cell.base.has_network:
            base = base_stage.run(cell.base, at)
            finetuned = finetune.run(cell, base, at)
        sampled = sample.run(cell, finetuned, at)
        measured = metrics.run(cell, sampled, at)
        stop.check()
        fingerprint = context.dataset(cell.base.dataset).fingerprint
        if cell.base.has_network:
            prepared = prepare.run(cell.base, context.sampler(cell.base.network.sampler), at)
        return record.done(
            cell, base, finetuned, sampled, measured, prepared=prepared,
            memory=memory.read(), device=device, fingerprint=fingerprint, extractors=_extractors(cell, at),
        )  # fmt: skip
    except (Interrupted, EndsTheRun):
        raise
    except Diverged as error:
        return record.skeleton(cell, "diverged", str(error), device)
    except (Exception, SystemExit) as error:
        # A plugin may raise anything. The board goes on; the whole traceback stays where the record says.
        where = _keep_traceback(error, at.layout, "cell", cell.key)
        hint = "" if isinstance(error, UserError) else f" (traceback: {where})"
        return record.skeleton(cell, "failed", f"{_last_line(error)}{hint}", device)


def _extractors(cell: Cell, at: Context) -> dict[str, ExtractorFacts]:
    used = {column.extractor.name: column.extractor for column in cell.columns if column.extractor is not None}
    return {name: _extractor(one, at) for name, one in used.items()}


def _extractor(one: Resolved[Extractor], at: Context) -> ExtractorFacts:
    built = context.extractor(one, at.device)
    return ExtractorFacts.model_validate(
        {**one.identity, "weights_sha256": built.weights_sha256, "preprocessing": built.preprocessing}
    )


def _has_result(path: Path) -> bool:
    try:
        return load_record(path).status != "failed"
    except UserError:
        return False


def _keep_traceback(error: BaseException, layout: RunsFolder, stage: str, key: str) -> Path:
    where = layout.work(stage, key) / "traceback.txt"
    write_text(where, "".join(traceback.format_exception(error)))
    return where


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
