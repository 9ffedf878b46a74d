"""Render a board's page and plots: write them, or check that the files on disk are those of the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.board.board import Board
from harness.plugins import registry
from harness.report.board_previews import BoardPreviews, make_previews, read_published_previews
from harness.report.collect import Collection, collect_published, collect_runs
from harness.report.findings import Findings
from harness.report.lesser_points import lesser_points
from harness.report.logs import TrainingLogs, read_published_logs, read_run_logs
from harness.report.page import Page
from harness.report.plots.curves import curves_plot
from harness.report.plots.deviations import deviations_plot
from harness.report.plots.grids import grids_plot
from harness.report.plots.plot import Plot, drawn_from
from harness.report.plots.samples import samples_plot
from harness.report.plots.sizes import sizes_plot
from harness.report.plots.sweeps import sweeps_plot
from harness.report.plots.training_log import training_log_plot
from harness.report.reported import of_board, read_reported
from harness.report.table import Table
from harness.report.unfailing import unfailing
from harness.store import leftovers
from harness.store.board_folder import BoardFolder
from harness.store.files import appearing, write_text
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Written:
    """The result of writing a board's page and plots.

    Args:
        paths: the page and all plots that are there.
        undrawn: a line for each plot or preview that could not be drawn, with the reason.
    """

    paths: tuple[Path, ...]
    undrawn: tuple[str, ...]


@dataclass(frozen=True)
class Rendered:
    """A board's page and plots: all that its folder must hold besides hand-written files and results.

    Args:
        content: the parts of the page, with all plots that the board has.
        undrawn: a line for each plot or preview that could not be made, with the reason.
        previews, logs: what the plots of samples and of training logs are drawn from.
    """

    content: Page
    undrawn: tuple[str, ...] = ()
    previews: BoardPreviews = field(default_factory=BoardPreviews)
    logs: TrainingLogs = field(default_factory=TrainingLogs)

    @property
    def table(self) -> Table:
        """The table on the page."""
        return self.content.table

    @property
    def plots(self) -> Sequence[Plot]:
        """All plots that the board has."""
        return self.content.plots

    @property
    def not_borne_out(self) -> list[str]:
        """A line for each claim of the findings that the records speak against. The page shows it in its place."""
        board = self.content.collection.board
        return [f"{board.folder}/board.yaml:{line}" for line in Findings(self.table).not_borne_out]

    @property
    def page(self) -> str:
        """The page's text, where all plots can be drawn."""
        return self.content.text()

    def write(self, root: Path) -> Written:
        """Write README.md and plots under `root`, and remove plots that the board no longer has.

        Plots that are current are not drawn again. A plot that cannot be drawn fails nothing: the page is without it, and a
        picture in its place, which would show older records, goes. So do half-written files of killed processes.
        """
        folder, undrawn = BoardFolder(root), list(self.undrawn)
        leftovers.remove_from(root, folder.plots)
        drawn = []
        for plot in self.plots:
            with unfailing(undrawn, f"{plot.name} is not drawn"):
                self._write_plot(plot, folder.plots / plot.name)
                drawn.append(plot)
        write_text(folder.page, replace(self.content, plots=drawn).text())
        for path in self._outdated_plots(folder, {plot.name for plot in drawn}):
            path.unlink()
        registry().listen("harness_table_rendered", board=self.content.collection.board.name, path=folder.page)
        return Written((folder.page, *(folder.plots / plot.name for plot in drawn)), tuple(undrawn))

    @staticmethod
    def _write_plot(plot: Plot, path: Path) -> None:
        """Draw a plot whose file is not current."""
        if drawn_from(path) != plot.digest:
            image = plot.png()
            with appearing(path) as scratch:
                scratch.write_bytes(image)

    def stale(self, root: Path) -> list[str]:
        """Return each file under `root` that is not as `write` would make it, with the reason."""
        return list(self._stale(BoardFolder(root)))

    def _stale(self, folder: BoardFolder) -> Iterator[str]:
        if not folder.page.is_file():
            yield f"{folder.page}: missing"
        elif folder.page.read_text(encoding="utf-8", errors="replace") != self.page:
            yield f"{folder.page}: stale: not what the records and board.yaml give"
        for plot in self.plots:
            path = folder.plots / plot.name
            if not path.is_file():
                yield f"{path}: missing"
            elif drawn_from(path) != plot.digest:
                yield f"{path}: stale: drawn from other records"
        for path in self._outdated_plots(folder, {plot.name for plot in self.plots}):
            yield f"{path}: drawn from nothing that the board has"

    @staticmethod
    def _outdated_plots(folder: BoardFolder, names: set[str]) -> list[Path]:
        """Return the plots that the harness drew and that are not of these names; other files are none of the harness's."""
        others = [path for path in sorted(folder.plots.glob("*.png")) if path.name not in names]
        return [path for path in others if drawn_from(path) is not None]


def render_published(board: Board) -> Rendered:
    """Render a board from its published records. Raises: UserError for a damaged file among them."""
    collection = collect_published(board)
    logs = read_published_logs(board)
    return _rendered(collection, read_published_previews(collection), logs, board.folder, is_published=True)


def render_runs(
    board: Board, runs: RunsFolder, make: Callable[[Collection, RunsFolder], BoardPreviews] = make_previews
) -> Rendered:
    """Render a board from the records of a runs folder. Imports torch.

    Args:
        make: makes the previews. Whoever renders a board many times keeps those that are made.
    """
    collection = collect_runs(board, runs)
    logs = read_run_logs(board, runs)
    return _rendered(collection, make(collection, runs), logs, runs.board(board.name), is_published=False)


def _rendered(
    collection: Collection, previews: BoardPreviews, logs: TrainingLogs, folder: Path, *, is_published: bool
) -> Rendered:
    """Render a board for a page that stands in `folder`."""
    table = Table.from_collection(collection)
    plots, undrawn = _plots(collection, table, previews, logs)
    reported = of_board(read_reported(BoardFolder(collection.board.folder).reported), collection.board.name)
    page = Page(collection, table, reported, plots, folder, is_published)
    return Rendered(page, (*previews.unmade, *undrawn), previews, logs)


def _plots(collection: Collection, table: Table, previews: BoardPreviews, logs: TrainingLogs) -> tuple[list[Plot], list[str]]:
    """Return the plots that the board has, and a line for each that cannot be made."""
    lesser = lesser_points(table)
    makers: Mapping[str, Callable[[], Plot | None]] = {
        "samples": lambda: samples_plot(collection, previews, lesser),
        "what metrics see": lambda: deviations_plot(table),
        "sizes": lambda: sizes_plot(table),
        "sweeps": lambda: sweeps_plot(table),
        "grids": lambda: grids_plot(table),
        "curves": lambda: curves_plot(collection, lesser),
        "training logs": lambda: training_log_plot(collection, logs, lesser),
    }
    plots: list[Plot] = []
    undrawn: list[str] = []
    for name, make in makers.items():
        with unfailing(undrawn, f"the plot of {name} is not drawn"):
            if (plot := make()) is not None:
                plots.append(plot)
    return plots, undrawn
