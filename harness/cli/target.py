"""`harness target`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath, RunsDir
from harness.cli.compare import FromRuns, collected
from harness.cli.output import print_json, print_table, remark
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.report.time_to_target import TimeToTarget

Value = Annotated[float, typer.Argument(metavar="VALUE", help="A value of the curve's column, in the metric's own unit.")]


def target(
    board: BoardPath, value: Value, from_runs: FromRuns = False, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Example: harness target leaderboards/swiss-roll 0.009

    Say how long each method trains until its curve reaches a value: in images, network evaluations and seconds.
    """
    from harness.report.display import rounded
    from harness.report.time_to_target import curve_column, resolution, times_to_target

    collection = collected(board, from_runs=from_runs, runs_dir=runs_dir)
    column = curve_column(collection)
    times = times_to_target(collection, value)
    if not any(each.seeds for each in times):
        raise UserError(f"{board}: no record of a row that trains holds a curve")
    if as_json:
        rows = [asdict(each) for each in times]
        print_json({"metric": column.name, "target": value, "resolution_images": resolution(collection), "rows": rows})
        return
    print_table([_line(each) for each in times])
    shown = "" if column.shown_in == 1 else f", shown as {rounded(value, column)} on the page"
    remark(f"target: {column.label} {value:g}{shown}; a curve's points are at most {resolution(collection):,} images apart")
    remark("medians over the seeds with a result; one that did not reach the target, or diverged, counts as longest")
    remark("evaluations (a pass with gradients counts three) and seconds are the training's, in proportion to images")


def _line(row: TimeToTarget) -> dict[str, str]:
    from harness.report.number_text import count, seconds

    reached = [each for each in row.seeds if each is not None]
    images = row.median([each.images for each in reached])
    cost = row.median([each.cost for each in reached])
    time = row.median([each.seconds for each in reached])
    return {
        "base": row.base,
        "method": row.method,
        "seeds that reached it": f"{row.reached} of {len(row.seeds)}{f', {row.missing} without a result' if row.missing else ''}",
        "images": "-" if images is None else count(images),
        "evaluations": "-" if cost is None else count(cost),
        "seconds": "-" if time is None else seconds(time),
    }
