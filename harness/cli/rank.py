"""`harness rank`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import AsJson, BoardPaths
from harness.cli.compare import collected
from harness.cli.new_files import check_folder_above
from harness.cli.output import print_json, print_table, remark, result

Metric = Annotated[
    str | None, typer.Option("--metric", metavar="NAME", help="The column of all boards. [default: the first that ranks]")
]
Bases = Annotated[
    list[str] | None, typer.Option("--base", metavar="NAME", help="A base that counts; may be repeated. [default: all bases]")
]
PlotFile = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the critical-difference diagram, as PNG.")]


def rank(boards: BoardPaths, metric: Metric = None, base: Bases = None, plot: PlotFile = None, as_json: AsJson = False) -> None:
    """Example: harness rank leaderboards/swiss-roll leaderboards/two-moons

    Rank methods over the bases of one board or several, and say whose mean ranks differ by more than chance.
    """
    from harness.report.method_ranks import rank_methods
    from harness.report.number_text import p_value
    from harness.report.table import Table
    from harness.statistics.student import LEVEL
    from harness.store.files import appearing

    if plot is not None:
        check_folder_above(plot, "--plot")
    tables = [Table.from_collection(collected(board, from_runs=False, runs_dir=None, has_runs=False)) for board in boards]
    ranked = rank_methods(tables, metric, base or ())
    ranks = ranked.ranks
    by_method = list(zip(ranked.methods, ranks.means.tolist(), ranks.ranks.T.tolist(), strict=True))
    if plot is not None:
        from harness.report.plots.critical_difference import critical_difference_plot

        png = critical_difference_plot(ranked).png()
        with appearing(plot) as file:
            file.write_bytes(png)
    if as_json:
        rows = [
            {"method": method, "mean_rank": mean, "ranks": dict(zip(ranked.blocks, places, strict=True))}
            for method, mean, places in by_method
        ]
        facts = {"friedman_p": ranks.p, "critical_difference": ranks.critical_difference, "not_told_apart": ranked.groups}
        print_json({"methods": rows, **facts, "left_out": ranked.left_out})
        return
    lines: list[dict[str, str]] = []
    for method, mean, places in by_method:
        of_blocks = {block: f"{place:g}" for block, place in zip(ranked.blocks, places, strict=True)}
        lines.append({"method": method, "mean rank": f"{mean:.2f}", **of_blocks})
    print_table(lines)
    result(f"Friedman's test that all are alike: p {p_value(ranks.p)}")
    result(f"critical difference of mean ranks: {ranks.critical_difference:.2f} (Nemenyi, level {LEVEL:g})")
    for group in ranked.groups:
        result(f"not told apart: {'; '.join(group)}")
    for line in ranked.left_out:
        remark(f"left out: {line}")
    if plot is not None:
        remark(f"wrote {plot}")
