"""Train the first steps of one cell again, and compare what is logged with the log beside its record. Imports torch."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.log_files import cell_log
from harness.errors import Diverged, Interrupted, UserError, in_one_line
from harness.stages import finetune
from harness.stages.context import Context
from harness.stages.facts import BaseFacts
from harness.stages.options import JobOptions
from harness.store import outputs
from harness.store.board_folder import BoardFolder
from harness.store.outputs import Output
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder
from harness.submission.closeness import TOLERANCE, in_words, largest_difference
from harness.submission.findings import Finding, confirmed, contradicted, unconfirmed
from harness.submission.recompute import done_cells
from harness.training.surroundings import Listener
from harness.training.training_log import LogLine, read_log

CHECK = "replayed"
Line = tuple[int, Mapping[str, float]]


class _Enough(Exception):
    """The training has logged what is compared."""


@dataclass(frozen=True)
class _ReplayContext(Context):
    """A context whose training ends after so many lines of its log."""

    lines: list[Line] = field(default_factory=list)
    until: int = 1

    def listener(self, name: str, config: Mapping[str, object]) -> Listener:
        """Return a listener that keeps the lines and ends the training."""

        def step_logged(step: int, steps: int, values: Mapping[str, float]) -> None:  # noqa: ARG001 - called by position
            self.lines.append((step, dict(values)))
            if len(self.lines) >= self.until:
                raise _Enough

        return Listener(step_logged)


def replay(board: Board, runs: RunsFolder, *, steps: int, seed: int, device: str) -> Iterator[Finding]:
    """Yield the finding about one cell, chosen at random by the seed among those that train and have a log.

    Args:
        runs: the runs folder that holds the weights of the cell's base.
        steps: steps that are trained, at least until the first line of the log.
    """
    logs = [(cell, record, lines) for cell, record in done_cells(board) if (lines := _log(board, cell))]
    if not logs:
        yield unconfirmed(CHECK, "no cell that trains has a log beside its record")
        return
    cell, record, lines = random.Random(seed).choice(logs)
    try:
        yield _replayed(cell, record, lines, runs, steps, device)
    except Interrupted:
        raise
    except (UserError, Diverged) as error:
        yield unconfirmed(CHECK, f"{cell.name}: {error}")
    except Exception as error:  # a plugin may raise anything
        yield unconfirmed(CHECK, f"{cell.name}: {in_one_line(error)}")


def _log(board: Board, cell: Cell) -> list[LogLine]:
    """Return the published log of a cell; none of one that shares its training, whose log has the lines of two trainings."""
    log = None if cell.row.shares_training or not cell.base.has_network else cell_log(cell)
    return [] if log is None else read_log(log.published(BoardFolder(board.folder)), log.training_key)


def _replayed(cell: Cell, record: Record, lines: list[LogLine], runs: RunsFolder, steps: int, device: str) -> Finding:
    with TemporaryDirectory() as folder:
        there = RunsFolder(Path(folder))
        base = _base(cell, record, runs, there)
        first = next((index for index, line in enumerate(lines) if line.step > 0), 0)
        until = max(first + 1, sum(line.step <= steps for line in lines))
        options = JobOptions(device, log_every=_log_every(lines), board=cell.board)
        context = _ReplayContext(there, options, f"verify {cell.name}", until=until)
        try:
            finetune.run(cell, base, context.dataset(cell.base.dataset), context)
        except _Enough:
            pass
        finally:
            context.reporter.end()
    return _compared(cell.name, lines[: len(context.lines)], context.lines)


def _base(cell: Cell, record: Record, runs: RunsFolder, there: RunsFolder) -> Output:
    """Copy the weights of the cell's base. Raises: UserError where the runs folder does not hold those of the record."""
    source = runs.stage("base", cell.base.key)
    if not source.is_dir():
        raise UserError(f"the weights of its base are not in the runs folder {runs.root}; name the folder with --runs-dir")
    target = there.stage("base", cell.base.key)
    shutil.copytree(source, target)
    base = outputs.read(target)
    if BaseFacts.of(base).weights_sha256 != record.base_weights_sha256:
        raise UserError(f"the base in the runs folder {runs.root} has other weights than the record's")
    return base


def _log_every(lines: list[LogLine]) -> int:
    """Return the steps between two lines of a log: those of the first line with scalars of steps."""
    return next((line.step for line in lines if line.step and _is_of_steps(line)), 1)


def _is_of_steps(line: LogLine) -> bool:
    return not any(name == "curve" or name.startswith("round/") for name in line.values)


def _compared(name: str, lines: list[LogLine], again: list[Line]) -> Finding:
    pairs: list[tuple[float, float]] = []
    for line, (step, values) in zip(lines, again, strict=True):
        if (line.step, set(line.values)) != (step, set(values)):
            return contradicted(CHECK, f"{name}: logs {', '.join(values)} at step {step}; the log has other lines")
        pairs += [(line.values[key], values[key]) for key in values]
        if largest_difference(pairs) > TOLERANCE:
            key = max(values, key=lambda key: abs(values[key] - line.values[key]))
            return contradicted(CHECK, f"{name}: {key} is {values[key]:.6g} at step {step}, the log says {line.values[key]:.6g}")
    return confirmed(CHECK, f"{name}: {len(pairs)} values up to step {again[-1][0]}, {in_words(largest_difference(pairs))}")
