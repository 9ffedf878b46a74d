"""The questions of `run`, `run --dry-run` and `status` about records, and unfinished work, whose code was edited since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.run.changes import Change
    from harness.run.fresh import Fresh
    from harness.run.states import CellState
    from harness.store.runs_folder import RunsFolder

SHORT = 12
"""Digits of a hash that messages show."""
LISTED = 6
"""Names of cells and floors that a message shows; it counts the others."""


def questions(board: Board, states: Sequence[CellState], runs: RunsFolder, anew: Fresh | None = None) -> list[str]:
    """Return a line for each component that was edited, with the records it concerns, and a line that says what to do.

    The same of work that cells go on from which have no record yet.

    Args:
        anew: what the run makes anew; None for nothing.
    """
    from harness.run.fresh import NOTHING

    return [*_of_records(board, states, runs), *_of_work(board, states, runs, anew or NOTHING)]


def _of_work(board: Board, states: Sequence[CellState], runs: RunsFolder, anew: Fresh) -> list[str]:
    from harness.report.page import run_command
    from harness.run.earlier_code import earlier_code

    waiting = [state.cell for state in states if state.needs_a_run]
    concerned: dict[Change, list[str]] = {}
    for name, changed in earlier_code(waiting, runs, anew):
        for change in changed:
            concerned.setdefault(change.without_commit, []).append(name)
    if not concerned:
        return []
    lines = [_line(change, names, what="work began that this run goes on from") for change, names in concerned.items()]
    return [
        *lines,
        "stale? records that are made from the work above will hold both versions of the code, and publish refuses them. To "
        f"begin it anew, run `{run_command(board)} --fresh FILTER --fresh-bases`",
    ]


def _of_records(board: Board, states: Sequence[CellState], runs: RunsFolder) -> list[str]:
    from harness.run.changes import floor_changes

    changed = [state for state in states if state.changed and not state.needs_a_run]
    floors = floor_changes(board, runs)
    concerned: dict[Change, list[str]] = {}
    # Thousands of cells share one tuple of changes, whose hash is dear.
    names_of: dict[int, tuple[tuple[Change, ...], list[str]]] = {}
    for name, changes in [*((state.cell.name, state.changed) for state in changed), *floors.items()]:
        names_of.setdefault(id(changes), (changes, []))[1].append(name)
    for changes, names in names_of.values():
        for change in changes:
            concerned.setdefault(change.without_commit, []).extend(names)
    lines = [_line(change, names) for change, names in concerned.items()]
    return [*lines, _advice(board, changed, has_floors=bool(floors))] if lines else []


def _line(change: Change, names: Sequence[str], what: str = "these records were made") -> str:
    facts = change.recorded
    version = f" of {facts.distribution} {facts.version}" if facts.distribution else ""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return (
        f"stale? {facts.component} changed since {what} (source {facts.sha256[:SHORT]}{version}; now "
        f"{change.installed[:SHORT]}): {', '.join(names[:LISTED])}{more}"
    )


def _advice(board: Board, changed: Sequence[CellState], *, has_floors: bool) -> str:
    from harness.report.page import run_command

    options = " ".join(_options(board, changed, has_floors))
    return (
        "stale? the records above still count as done, because most edits change no number. If the edit can change numbers, "
        f"run `{run_command(board)} {options}`, with --fresh-bases if the edited code also trains bases, or with --remeasure in "
        "the place of --fresh if it only measures; or raise the plugin's version"
    )


def _options(board: Board, changed: Sequence[CellState], has_floors: bool) -> Iterator[str]:
    if changed:
        all_methods = dict.fromkeys(cell.method_name for cell in board.cells if cell.skip_reason is None)
        concerned = {state.cell.method_name for state in changed}
        methods = [name for name in all_methods if name in concerned]
        yield "--fresh 'method=*'" if len(methods) == len(all_methods) else f"--fresh method={','.join(methods)}"
    if has_floors:
        yield "--fresh-floors"
