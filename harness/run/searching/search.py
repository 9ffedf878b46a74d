"""Run a search on one base: ask for trials, take them through the rungs like any cells of a board, and keep what they gave."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from harness.board.board import Board
from harness.board.points import point_text
from harness.board.reading.studies import Study
from harness.errors import UserError
from harness.process import stop
from harness.run.boards import Boards
from harness.run.searching.outcomes import RungOutcome, rung_outcome
from harness.run.searching.suggest import check_installed, suggest
from harness.run.searching.trials import Trial, TrialFile
from harness.run.states import CellState
from harness.store.lease import Busy, lease
from harness.store.runs_folder import RunsFolder

RunBoards = Callable[[Boards], None]
"""Runs all cells of each board of trials and sends back how they stand: see `harness.run.boards.run_boards`."""


@dataclass(frozen=True)
class SearchOptions:
    """How far a search goes.

    Args:
        trials: number of trials of each study; those of earlier commands count.
        jobs: cells that run at once. As many trials are asked together as give them work: with one seed, so many trials; with
            three seeds and three jobs, one.
    Raises: UserError for less than one of either.
    """

    trials: int
    jobs: int = 1

    def __post_init__(self) -> None:
        for name, value in (("--trials", self.trials), ("--jobs", self.jobs)):
            if value < 1:
                raise UserError(f"{name} {value}: need at least 1")

    def together(self, study: Study) -> int:
        """How many trials of a study are asked at once."""
        return max(1, self.jobs // len(study.search.seeds))


def trial_file(study: Study, runs: RunsFolder) -> TrialFile:
    """Return the trials of a study so far. Raises: as `TrialFile` does."""
    board = study.folder.resolve().name
    return TrialFile(runs.search(board, study.name, study.base, study.key))


def run_search(
    study: Study,
    runs: RunsFolder,
    options: SearchOptions,
    run_boards: RunBoards,
    on_trial: Callable[[str], None] = lambda _: None,
) -> TrialFile:
    """Run trials of a study until there are as many as asked for. Failed ones are tried again, once for each command.

    Args:
        run_boards: see `RunBoards`.
        on_trial: called with a line for each trial that has ended.
    Returns: all trials.
    Raises: UserError where Optuna is absent, another process works on the study, or no trial works; Interrupted after Ctrl-C.
    """
    check_installed()
    runs.check_writable()
    path = runs.lease("search", study.key)
    try:
        with lease(path, wait=False):
            file = trial_file(study, runs)
            run_boards(_Search(study, file, options, on_trial).boards())
            return file
    except Busy:
        raise UserError(f"{study.label}: another search works on this study; wait for its end, or stop it") from None


class _Search:
    """The state of one search while it runs."""

    def __init__(self, study: Study, file: TrialFile, options: SearchOptions, on_trial: Callable[[str], None]) -> None:
        self._study, self._file, self._options, self._on_trial = study, file, options, on_trial
        self._better = max if study.column.higher_is_better else min

    def boards(self) -> Boards:
        """Yield the board of each rung of each batch of trials, and take how their cells stand."""
        if waiting := self._file.waiting:
            yield from self._batch([trial.model_copy(update={"end": "running", "values": [], "reason": ""}) for trial in waiting])
        while len(self._file.trials) < self._options.trials:
            stop.check()
            yield from self._batch(self._ask())

    def _ask(self) -> list[Trial]:
        """Ask for the next trials. All of a batch stand in the file before any of them runs: a killed search has all or none."""
        study, asked = self._study, list[Trial]()
        together = min(self._options.together(study), self._options.trials - len(self._file.trials))
        for _ in range(together):
            before = [*self._file.trials, *asked]
            point = suggest(
                before,
                study.space,
                len(before),
                seed=study.search.sampler_seed,
                together=together,
                higher_is_better=study.column.higher_is_better,
            )
            asked.append(Trial(number=len(before), point=point, together=together))
        self._file.add(asked)
        return asked

    def _batch(self, batch: Sequence[Trial]) -> Boards:
        """Take trials through the rungs, and keep how they ended. Raises: UserError where all trials failed from the start."""
        trials = {trial.number: trial for trial in batch}
        climbing = list(trials)
        for rung in range(self._study.search.rungs):
            outcomes = yield from self._rung([trials[number] for number in climbing], rung)
            for number, outcome in zip(climbing, outcomes, strict=True):
                trials[number] = _after(trials[number], outcome)
            valued = [number for number in climbing if trials[number].end == "running"]
            is_last = rung == self._study.search.rungs - 1
            climbing = valued if is_last else self._best(list(trials.values()), valued, rung)
            for number in valued:
                if is_last or number not in climbing:
                    trials[number] = trials[number].model_copy(update={"end": "done" if is_last else "stopped"})
        ended = list(trials.values())
        self._file.replace(ended)
        for trial in ended:
            self._on_trial(self._line(trial))
        if all(trial.end == "failed" for trial in self._file.trials):
            raise UserError(f"{self._study.label}: every trial failed: {ended[-1].reason}")

    def _rung(self, trials: Sequence[Trial], rung: int) -> Generator[Board, Sequence[CellState], list[RungOutcome]]:
        """Run the cells of trials on one rung. Trials of one point share their cells."""
        if not trials:
            return []
        study = self._study
        by_method: dict[str, list[CellState]] = {}
        for state in (yield study.board([trial.point for trial in trials], rung)):
            by_method.setdefault(state.cell.method_name, []).append(state)
        states = [by_method[study.trial_name(trial.point, rung)] for trial in trials]
        return [rung_outcome(state, study.column, is_by_curve=study.is_by_curve) for state in states]

    def _best(self, batch: Sequence[Trial], candidates: Sequence[int], rung: int) -> list[int]:
        """Return the candidates that go on: those among the best `1 / reduction` of all trials that came to this rung.

        The best one of all always goes on, so that a search has a value from its first trial.
        """
        numbers = {trial.number for trial in batch}
        came = [*batch, *(trial for trial in self._file.trials if trial.number not in numbers)]
        sign = -1 if self._study.column.higher_is_better else 1
        ranked = sorted((sign * trial.values[rung], trial.number) for trial in came if len(trial.values) > rung)
        best = {number for _, number in ranked[: max(1, len(ranked) // self._study.search.reduction)]}
        return [number for number in candidates if number in best]

    def _line(self, trial: Trial) -> str:
        """Return a line on a trial that has ended: `trial 3 of 20: beta 0.1: 3.21, the best so far 3.2`."""
        name = f"{self._study.label}: trial {trial.number + 1} of {self._options.trials}: {point_text(trial.point)}"
        if trial.end in ("diverged", "failed"):
            return f"{name}: {trial.end}: {trial.reason}"
        if trial.end == "stopped":
            rungs = self._study.search.rungs
            return f"{name}: {trial.values[-1]:.4g} on rung {len(trial.values)} of {rungs}, where it stops"
        best = self._better(other.values[-1] for other in self._file.trials if other.end == "done")
        return f"{name}: {trial.values[-1]:.4g} (best {best:.4g})"


def _after(trial: Trial, outcome: RungOutcome) -> Trial:
    """Return a trial after a rung."""
    changes: dict[str, object] = {"cells": {**trial.cells, **outcome.cells}}
    if outcome.value is None:
        return trial.model_copy(update={**changes, "end": outcome.fault, "reason": outcome.reason})
    return trial.model_copy(update={**changes, "values": [*trial.values, outcome.value], "kept_base": outcome.kept_base})
