"""Run a board: its cells without a result, and its floors. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.board.bases import Base
from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.components import Resolved
from harness.components import Executor, Tracker
from harness.errors import Interrupted, UserError
from harness.interfaces import Job, JobEnd, QueueExecutor, Resources
from harness.plugins import registry
from harness.process import global_state, stop
from harness.run import fresh as fresh_results
from harness.run import setting_paths
from harness.run.events import OnEvent
from harness.run.fresh import NOTHING, Fresh, planned
from harness.run.job_calls import base_job, cell_job, floor_job
from harness.run.needs import Needs
from harness.run.resources import ResourceLayer, ResourceLayers, board_layer
from harness.run.schedule import Schedule
from harness.run.shared_bases import shared_bases
from harness.run.states import CellState, states
from harness.stages import listening
from harness.stages.options import JobOptions
from harness.stages.record import record_path, save_unrun
from harness.store import leftovers, outputs
from harness.store.cancels import Cancelled, Cancels
from harness.store.runs_folder import RunsFolder

OnStates = Callable[[Sequence[CellState]], None]


@dataclass(frozen=True)
class RunOptions:
    """Options that say how a board runs. None of them changes a result.

    Args:
        jobs: how many jobs run at once, at most.
        executor: the executor that runs them, with its settings; None for the default one with its defaults.
        device: "cpu", "cuda", "cuda:N" or "auto".
        checkpoint_seconds: seconds between two checkpoints.
        log_every: steps between two logs of a training.
        trackers: what logs the runs of cells and bases, with its settings.
        resources: what the user asks of the machines of jobs; each layer goes before the next, and all before the board.
        devices: how many devices each job uses, by a process for each; None for as many cards as the job asks for, where the
            executor has a queue, and else one.
        command: id of the command that runs the board, by which others ask it to stop; "" where nobody can.
    Raises: UserError for fewer jobs, steps or devices than one.
    """

    jobs: int
    executor: Resolved[Executor] | None = None
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    log_every: int = 100
    trackers: tuple[Resolved[Tracker], ...] = ()
    resources: tuple[ResourceLayer, ...] = ()
    devices: int | None = None
    command: str = ""

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UserError(f"--jobs {self.jobs}: need at least 1")
        if self.log_every < 1:
            raise UserError(f"--log-every {self.log_every}: need at least 1")
        if self.devices is not None and self.devices < 1:
            raise UserError(f"--devices {self.devices}: need at least 1")

    def devices_of(self, asked: Resources) -> int:
        """Return how many devices a job uses that asks for these resources."""
        if self.devices is not None:
            return self.devices
        gives_cards = self.executor is not None and self.executor.component.has_queue
        is_one = self.device == "cpu" or ":" in self.device
        return max(1, asked.gpus or 1) if gives_cards and not is_one else 1


class PreparedRun:
    """A board whose run is prepared: everything was checked, and its jobs wait for an executor.

    Args: see `run_board`, which also says what this raises.
    """

    def __init__(
        self,
        board: Board,
        cells: Sequence[Cell],
        runs: RunsFolder,
        options: RunOptions,
        on_event: OnEvent,
        on_remark: Callable[[str], None],
        *,
        on_states: OnStates = lambda _: None,
        fresh: Fresh = NOTHING,
    ) -> None:
        self._board, self._cells, self._runs = board, cells, runs
        runs.check_writable()
        leftovers.remove(runs)
        self._paths = setting_paths.checked(board, runs)
        before, floors = planned(board, cells, fresh, runs)
        _save_skipped(before, runs)
        on_states(before)
        self._to_run = [state.cell for state in before if state.needs_a_run]
        with global_state.environment_kept():  # the packages of one cell must not set variables for the others
            remarks = Needs(board, tuple(self._to_run), tuple(floors)).check()
        for remark in remarks:
            on_remark(remark)
        fresh_results.begin(board, fresh, runs)
        self.schedule = _schedule(board, self._to_run, floors, runs, options, on_event)

    def begin(self) -> None:
        """Note what the run is made of, and tell listeners. Call it before the first job runs."""
        setting_paths.keep(self._paths)
        listening.begin(self._runs)
        listening.tell(self._runs, "harness_run_started", board=self._board.name, cells=tuple(self._to_run))

    def end(self, executor: Resolved[Executor]) -> list[CellState]:
        """Return the states of all cells after the executor's end. Raises: Interrupted; UserError: see `run_board`."""
        leftovers.remove(self._runs)  # of workers that were killed meanwhile
        if stop.is_requested() and not self.schedule.is_over:
            if self.schedule.cancelled_by:
                raise Cancelled(f"cancelled by {self.schedule.cancelled_by}; run the same command again to go on")
            raise Interrupted
        if self.schedule.refusals:
            raise UserError(self.schedule.refusals[0])
        if not self.schedule.is_over:
            raise UserError(f"executor {executor.name}: it ended while jobs of this run were still to do; run the command again")
        fresh_results.end(self._board, self._runs)
        return states(self._board, self._cells, self._runs)


def run_board(
    board: Board,
    cells: Sequence[Cell],
    runs: RunsFolder,
    options: RunOptions,
    on_event: OnEvent = lambda _: None,
    on_remark: Callable[[str], None] = lambda _: None,
    *,
    on_states: OnStates = lambda _: None,
    on_begin: Callable[[], None] = lambda: None,
    fresh: Fresh = NOTHING,
) -> list[CellState]:
    """Run each of `cells` that has no result or has failed, and measure the board's missing floors.

    Args:
        on_remark: called, before the first job, with each line that says what was read of a file of weights.
        on_states: called once, before the first job, with the states of all `cells`.
        on_begin: called once, when everything was checked and a job is to run.
        fresh: what is made anew; its cells are among `cells`.
    Returns: the states of all `cells` afterwards.
    Raises: Faults, before any job, when a package, a file or weights that the cells need are absent or unfit; Interrupted
        after Ctrl-C, when the running jobs have saved their state; UserError when the disk refuses, the data are not what the
        dataset declares, or a path in settings stood for another file when results of this runs folder were made.
    """
    executor = options.executor or default_executor()
    run = PreparedRun(board, cells, runs, options, on_event, on_remark, on_states=on_states, fresh=fresh)
    if run.schedule.total:
        run.begin()
        on_begin()
        stop.on_signals()
        execute(executor, run.schedule.ready, runs, slots=min(options.jobs, run.schedule.total))
    return run.end(executor)


def execute(
    executor: Resolved[Executor],
    ready: Callable[[Sequence[JobEnd]], Sequence[Job] | None],
    runs: RunsFolder,
    *,
    slots: int,
) -> None:
    """Run jobs with an executor until `ready` returns None. See `harness.interfaces.JobExecutor`."""
    built = executor.component.create(executor.settings)
    if isinstance(built, QueueExecutor):
        built.take_folder(runs.executor(executor.name))
    built.run(ready, slots=slots)


def default_executor() -> Resolved[Executor]:
    """Return the executor that a plugin marks as the default, with its defaults. Raises: UserError where none is."""
    executor = registry().default(Executor, where="--executor")
    provided = registry().provided(Executor.kind, executor.name, where="--executor")
    return Resolved(executor, executor.config(), provided.plugin, provided.version)


def _save_skipped(cell_states: Sequence[CellState], runs: RunsFolder) -> None:
    """Write the records of skipped cells, which no job writes."""
    for state in cell_states:
        if state.state == "skipped" and not record_path(state.cell, runs).exists():
            save_unrun(state.cell, runs, "skipped", state.reason)


def _is_made(base: Base, runs: RunsFolder) -> bool:
    """Return whether the job of a base would find nothing to do. Should the base be damaged, its cells make it again."""
    if not base.has_network:
        return True
    return outputs.is_there(runs.stage("base", base.key)) and not runs.fresh("base", base.key).exists()


def _schedule(
    board: Board, cells: Sequence[Cell], floors: Sequence[Floor], runs: RunsFolder, options: RunOptions, on_event: OnEvent
) -> Schedule:
    job_options = JobOptions(
        options.device,
        options.checkpoint_seconds,
        options.log_every,
        board=board.name,
        checks_resume=board.is_smoke,
        trackers=options.trackers,
        is_deterministic=board.config.deterministic,
        command=options.command,
    )
    bases = shared_bases(board, cells)
    if options.executor is not None and options.executor.component.has_queue:
        bases = [base for base in bases if not _is_made(base, runs)]
    asked = ResourceLayers([*options.resources, board_layer(board)])

    def on(resources: Resources) -> tuple[JobOptions, Resources]:
        return replace(job_options, devices=options.devices_of(resources)), resources

    return Schedule(
        [base_job(base, runs, *on(asked.of_base(base.name))) for base in bases],
        [floor_job(board.name, floor, runs, *on(asked.of_floor()), is_smoke=board.is_smoke) for floor in floors],
        [cell_job(cell, runs, *on(asked.of_cell(cell.base.name, cell.method_name))) for cell in cells],
        runs,
        on_event,
        Cancels(runs, options.command),
    )
