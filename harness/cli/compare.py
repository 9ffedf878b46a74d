"""`harness compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import value_completion
from harness.cli.arguments import AsJson, RunsDir
from harness.cli.output import print_json, print_table, remark, result
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.report.collect import Collection

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="BOARD A B | RECORD RECORD",
        help="A board and two of its methods, or rows as BASE/METHOD; or the files of two records.",
        autocompletion=value_completion.methods_of_board,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="A column; give it again for more. [default: all that rank]",
        autocompletion=value_completion.columns_of_board,
    ),
]
FromRuns = Annotated[bool, typer.Option("--runs", help="Read the records of the runs folder in the place of published ones.")]


def compare(
    what: Words, metric: Metrics = None, from_runs: FromRuns = False, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Example: harness compare leaderboards/swiss-roll ddo mle

    Say which of two methods is better, by paired tests over seeds; or in what two records differ.
    """
    if len(what) == 2 and all(_is_record(word) for word in what):
        _compare_records(Path(what[0]), Path(what[1]), as_json)
        return
    if len(what) != 3:
        raise UserError("compare: give a board and two methods (compare BOARD ddo mle), or the files of two records")
    from harness.report.comparison import compare as compare_rows
    from harness.report.comparison_text import comparison_numbers, comparison_rows, explanation
    from harness.report.table import Table

    table = Table.from_collection(collected(Path(what[0]), from_runs=from_runs, runs_dir=runs_dir))
    comparisons = compare_rows(table, what[1], what[2], metric or ())
    if as_json:
        print_json(comparison_numbers(table, comparisons))
        return
    print_table(comparison_rows(table, comparisons))
    for line in explanation(table, comparisons):
        remark(line)


def collected(path: Path, *, from_runs: bool, runs_dir: Path | None, has_runs: bool = True) -> Collection:
    """Read a board and its records: published ones, or those of a runs folder.

    Args:
        has_runs: whether the command has --runs, which a message may name.
    Raises: UserError, also where there are no records.
    """
    from harness.board.reading.load import load_board
    from harness.report.collect import collect_published, collect_runs
    from harness.store.runs_folder import RunsFolder

    board = load_board(path)
    if from_runs or runs_dir is not None:
        runs = RunsFolder.of(runs_dir, smoke=False)
        collection = collect_runs(board, runs)
        if not collection.records:
            raise UserError(f"{path}: no record of this board in {runs.root}; run: harness run {path}")
        return collection
    collection = collect_published(board)
    way = ", or give --runs for the records of a run" if has_runs else ""
    if not collection.records:
        raise UserError(f"{path}: nothing published; run: harness publish {path}{way}")
    return collection


def _is_record(word: str) -> bool:
    return word.endswith(".json") or Path(word).is_file()


def _compare_records(first: Path, second: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from harness.report.record_differences import record_differences
    from harness.store.records import load_record

    for path in (first, second):
        if path.name.startswith("floor__"):
            raise UserError(f"{path}: the record of a floor; compare takes records of cells")
    groups = record_differences(load_record(first), load_record(second))
    if as_json:
        print_json({group: [asdict(each) for each in found] for group, found in groups.items()})
        return
    result(f"first:  {first}\nsecond: {second}")
    for group, found in groups.items():
        differ = "1 field differs" if len(found) == 1 else f"{len(found)} fields differ"
        result(f"\n{group}: {differ if found else 'the same'}")
        print_table([asdict(each) for each in found])
