"""Show cells and bases in trackers while they run: each tracker follows the logs of trainings on disk, in a thread of its own.

The log on disk is the one source: a tracker that is slow, or that is switched on when a killed run goes on, reads what it has not
logged yet. How many lines of which log a run has is noted before they are logged, so that no line comes twice.

A tracker can fail, hang, or be slow. The cell neither waits for it, except a few seconds at its end, nor fails with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.board.log_files import cell_log
from harness.components import Tracker
from harness.stages.tracker_thread import Ended, Followed, TrackerThread
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder
from harness.tracking import RunSummary

CLOSE_SECONDS = 60.0
"""How long a job waits at its end for all its trackers: their packages take seconds to import, and more on a busy machine."""
CLOSE_SECONDS_AGAIN = 5.0
"""How long it waits where a tracker has failed in this run already, so that a dead server costs each cell no more than that."""


class Tracking:
    """The trackers of one job. Without any, each call returns at once.

    Args:
        board: name of the board whose run the job belongs to.
    """

    def __init__(self, trackers: Sequence[Resolved[Tracker]], runs: RunsFolder, board: str) -> None:
        self._runs = runs
        self._threads = [TrackerThread(tracker, runs, board) for tracker in trackers]

    def follow(self, name: str, config: Mapping[str, object], stage: str, key: str) -> None:
        """Log the training of a stage as the run of a cell or base.

        Args:
            name: of the cell or base. config: method, budget and seed, as JSON values.
            stage, key: of the output that the training makes.
        """
        for thread in self._threads:
            thread.put(Followed(name, config, stage, key))

    def wake(self) -> None:
        """Say that a log has new lines."""
        for thread in self._threads:
            thread.wake()

    def finish(self, cell: Cell, record: Record) -> None:
        """Log the result of a cell, after its record is on disk."""
        config = {"method": cell.method.identity, "training": cell.training.identity, "seed": cell.seed}
        kept = cell_log(cell)
        beside = None if kept is None else kept.beside_records(self._runs, cell.board)
        followed = Followed(cell.name, config, "finetune", cell.finetune_key, beside) if cell.trains else None
        for thread in self._threads:
            thread.put(Ended(cell.name, config, _summary(record), followed))

    def close(self) -> None:
        """End all runs of this job, and wait until they are closed, but not for long."""
        has_failed = any(thread.has_failed_before for thread in self._threads)
        until = time.monotonic() + (CLOSE_SECONDS_AGAIN if has_failed else CLOSE_SECONDS)
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def _summary(record: Record) -> RunSummary:
    facts = {
        "key": record.key,
        "weights_sha256": record.weights_sha256,
        "samples_sha256": record.samples_sha256,
        "device": str(record.environment.get("device", "")),
    }
    return RunSummary(
        status=record.status,
        reason=record.reason,
        steps=record.costs.steps,
        metrics={name: measured.mean for name, measured in record.metrics.items()},
        costs=_costs(record) if record.status == "done" else {},
        facts={name: value for name, value in facts.items() if value},
    )


def _costs(record: Record) -> dict[str, float]:
    return {name: float(value) for name, value in record.costs.model_dump().items() if value is not None}
