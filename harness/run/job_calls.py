"""The jobs of a run, as an executor gets them, and the functions that a worker calls. Torch is imported in the worker alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.board.bases import Base
from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.components import Component
from harness.interfaces import Job, Resources
from harness.run.resources import NOTHING
from harness.stages.job_result import JobResult
from harness.stages.options import JobOptions
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class BaseJob(Job):
    """Makes the weights of a base."""

    base: Base


@dataclass(frozen=True)
class FloorJob(Job):
    """Measures a floor."""

    floor: Floor


@dataclass(frozen=True)
class CellJob(Job):
    """Takes a cell through all stages."""

    cell: Cell


def base_job(base: Base, runs: RunsFolder, options: JobOptions, resources: Resources = NOTHING) -> BaseJob:
    """Return the job of a base."""
    name, imports = f"base {base.full_name}", _imports(_of_base(base))
    arguments, key = (base, runs, options), f"base/{base.key}"
    return BaseJob(name, run_base, arguments, base, imports=imports, resources=resources, key=key, folder=runs.root)


def floor_job(
    board: str, floor: Floor, runs: RunsFolder, options: JobOptions, resources: Resources = NOTHING, *, is_smoke: bool
) -> FloorJob:
    """Return the job of a floor of the board with this name."""
    imports = _imports([floor.dataset, *_of_column(floor.column)])
    arguments = (board, floor, runs, options, is_smoke)
    key = f"floor/{board}/{floor.name}/{floor.key}"
    name = f"floor {floor.name}"
    return FloorJob(name, run_floor, arguments, floor, imports=imports, resources=resources, key=key, folder=runs.root)


def cell_job(cell: Cell, runs: RunsFolder, options: JobOptions, resources: Resources = NOTHING) -> CellJob:
    """Return the job of a cell."""
    of_columns = (part for column in cell.columns for part in _of_column(column))
    parts = [*_of_base(cell.base), cell.row.sampler, cell.method, *of_columns]
    key = f"cell/{cell.board}/{cell.name}/{cell.key}"
    arguments, imports = (cell, runs, options), _imports(parts)
    return CellJob(cell.name, run_cell, arguments, cell, imports=imports, resources=resources, key=key, folder=runs.root)


def _of_base(base: Base) -> list[Resolved[Component]]:
    return [base.dataset, *base.origin.components]


def _of_column(column: Column) -> list[Resolved[Component]]:
    return [column.metric, *([] if column.extractor is None else [column.extractor])]


def _imports(parts: Iterable[Resolved[Component]]) -> tuple[str, ...]:
    """Return the modules that a job with these components imports, each once."""
    targets = (part.component.build.partition(":")[0] for part in parts)
    return tuple(dict.fromkeys(["harness.stages.jobs", *targets]))


def run_base(base: Base, runs: RunsFolder, options: JobOptions) -> JobResult:
    """Call `harness.stages.jobs.run_base` in a worker."""
    from harness.stages import jobs

    return jobs.run_base(base, runs, options)


def run_floor(board: str, floor: Floor, runs: RunsFolder, options: JobOptions, is_smoke: bool) -> JobResult:
    """Call `harness.stages.jobs.run_floor` in a worker."""
    from harness.stages import jobs

    return jobs.run_floor(board, floor, runs, options, is_smoke)


def run_cell(cell: Cell, runs: RunsFolder, options: JobOptions) -> JobResult:
    """Call `harness.stages.jobs.run_cell` in a worker."""
    from harness.stages import jobs

    return jobs.run_cell(cell, runs, options)
