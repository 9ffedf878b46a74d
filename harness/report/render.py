"""A board's page and plots: write them, or check that the ones on disk are those of the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.board.board import Board
from harness.plugins import registry
from harness.report.collect import Collection, collect_published, collect_runs
from harness.report.page import Page
from harness.report.plots.curves import curves_plot
from harness.report.plots.plot import Plot, drawn_from
from harness.report.plots.samples import samples_plot
from harness.report.plots.seen import seen_plot
from harness.report.plots.sizes import sizes_plot
from harness.report.preview import Previews, make_previews, read_published
from harness.report.reported import read_reported
from harness.report.table import Table
from harness.store.files import appearing, write_text
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Rendered:
    """What a board's folder must hold besides its hand-written files."""

    board: Board
    table: Table
    page: str
    plots: Sequence[Plot]

    def write(self, folder: Path) -> list[Path]:
        """Write README.md and plots into `folder`; plots that are current are not drawn again. Returns: their paths."""
        paths = [folder / "README.md"]
        write_text(paths[0], self.page)
        for plot in self.plots:
            path = folder / "plots" / plot.name
            if drawn_from(path) != plot.digest:
                with appearing(path) as scratch:
                    scratch.write_bytes(plot.png())
            paths.append(path)
        for path in _other_plots(folder, self.plots):
            path.unlink()
        registry().listen("harness_table_rendered", board=self.board.name, path=paths[0])
        return paths

    def stale(self, folder: Path) -> list[str]:
        """What in `folder` is not what `write` would put there; empty when all is."""
        found = []
        page = folder / "README.md"
        if not page.is_file():
            found.append(f"{page}: missing")
        elif page.read_text(encoding="utf-8") != self.page:
            found.append(f"{page}: stale: not what the records and board.yaml give")
        for plot in self.plots:
            path = folder / "plots" / plot.name
            if not path.is_file():
                found.append(f"{path}: missing")
            elif drawn_from(path) != plot.digest:
                found.append(f"{path}: stale: drawn from other records")
        return found + [f"{path}: drawn from nothing that the board has" for path in _other_plots(folder, self.plots)]


def _other_plots(folder: Path, plots: Sequence[Plot]) -> list[Path]:
    """Our plots that the board no longer has; files of others are left alone."""
    names = {plot.name for plot in plots}
    return [p for p in sorted((folder / "plots").glob("*.png")) if p.name not in names and drawn_from(p) is not None]


def render_published(board: Board) -> Rendered:
    """From a board's `results` folder. Raises: UserError for a damaged file in it."""
    results = board.folder / "results"
    collection = collect_published(board, results)
    return _rendered(collection, read_published(collection, results), is_published=True)


def render_runs(board: Board, layout: RunsFolder) -> Rendered:
    """From the records of a runs folder. Imports torch."""
    collection = collect_runs(board, layout)
    return _rendered(collection, make_previews(collection, layout), is_published=False)


def _rendered(collection: Collection, previews: Previews, *, is_published: bool) -> Rendered:
    table = Table.of(collection)
    drawn = (samples_plot(collection, previews), seen_plot(table), sizes_plot(table), curves_plot(collection))
    plots = [plot for plot in drawn if plot is not None]
    reported = read_reported(collection.board.folder / "reported.csv")
    page = Page(collection, table, reported, plots, is_published)
    return Rendered(collection.board, table, page.text(), plots)
