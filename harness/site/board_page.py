"""The files of one board: its page, a page for each record, pictures and downloads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.board.cells import Cell
from harness.board.log_files import log_files
from harness.report.collect import Collection as BoardRecords
from harness.report.costs import TITLE as COSTS_TITLE
from harness.report.costs import costs_table
from harness.report.difference_tables import about, difference_tables
from harness.report.display import column_head
from harness.report.every_setting import TITLE as SETTINGS_TITLE
from harness.report.every_setting import setting_list
from harness.report.findings import Findings
from harness.report.formats import FORMATS, MARKDOWN
from harness.report.grid_remarks import grid_remarks
from harness.report.how_measured import TITLE as PROTOCOL_TITLE
from harness.report.how_measured import protocol_list
from harness.report.page import NOT_MEASURED, legend, method_notes, smoke_remark
from harness.report.plots.plot import Plot, drawn_from
from harness.report.remarks import remarks
from harness.report.render import Rendered
from harness.report.reported import HEADS as REPORTED_HEADS
from harness.report.reported import with_links
from harness.report.unfailing import unfailing
from harness.site.addresses import INDEX, record_file
from harness.site.board_table import board_table
from harness.site.charts import ChartGroup, plot_charts
from harness.site.figures import PLAIN
from harness.site.markdown import LinkTarget, html_of, inline_html_of, targets_from
from harness.site.pairs import pair_charts
from harness.site.pareto import pareto_charts
from harness.site.record_page import record_html
from harness.site.samples import Samples, sample_data, samples_of
from harness.site.seed_values import seed_charts
from harness.site.templates import page
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import load_record

Files = dict[str, bytes]
"""Content by path, relative to the folder of the site, with slashes."""
PICTURES = {"samples.png": "samples", "seen.png": "seen"}
"""Plots that the page shows as pictures, and the names of their sections."""
SUFFIXES = {"csv": "csv", "json": "json", "latex": "tex"}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of all files in archives, so that the same records make the same archive."""


@dataclass(frozen=True)
class BoardSite:
    """All that the pages of a board are made from.

    Args:
        rendered: the board as its page in Markdown shows it.
        path_of: gives the file of a cell's record.
        folders: the address of each board's page in the site, seen from this one's folder, by the resolved folder of the board.
    """

    rendered: Rendered
    path_of: Callable[[Cell], Path]
    folders: Mapping[Path, str]

    @property
    def name(self) -> str:
        """The name of the board, which is that of its folder in the site."""
        return self._shown.board.name

    @property
    def _shown(self) -> BoardRecords:
        return self.rendered.content.collection

    @property
    def _target(self) -> LinkTarget:
        return targets_from(self._shown.board.folder, dict(self.folders))

    def files(self, under_way: ChartGroup | None = None) -> tuple[Files, list[str]]:
        """Return the files, relative to the folder of the board in the site, and a line for each picture that is not drawn.

        Args:
            under_way: the charts of trainings under way, where a server shows the pages while a run goes on.
        """
        undrawn: list[str] = []
        pictures = {plot.name: content for plot in self.rendered.plots if (content := self._picture(plot, undrawn)) is not None}
        made = self._downloads()
        made |= self._records(live=under_way is not None)
        samples = samples_of(self._shown, self.rendered.previews)
        made |= {each.image: each.png for each in samples if each.image}
        made |= {f"plots/{name}": content for name, content in pictures.items()}
        made[INDEX] = self._page(list(pictures), samples, sorted(made), under_way)
        return made, undrawn

    def _picture(self, plot: Plot, undrawn: list[str]) -> bytes | None:
        """Return the file of a plot that the page shows as a picture: the one in the board's folder where that is current."""
        if plot.name not in PICTURES:
            return None
        path = BoardFolder(self.rendered.content.folder).plots / plot.name
        with unfailing(undrawn, f"{plot.name} is not drawn"):
            return path.read_bytes() if drawn_from(path) == plot.digest else plot.png()
        return None

    def _downloads(self) -> Files:
        table = self.rendered.table
        return {f"{self.name}.{SUFFIXES[name]}": FORMATS[name](table).encode() for name in SUFFIXES} | {
            "records.zip": self._archive()
        }

    def _archive(self) -> bytes:
        """Return the records and training logs in an archive."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in self._archived():
                archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def _archived(self) -> Iterator[tuple[str, Path]]:
        board = self._shown.board
        for cell in self._cells():
            yield RecordName("cell", cell.name).file_name, self.path_of(cell)
        if self.rendered.content.is_published:
            for log in log_files(board.cells, board.bases):
                if (path := log.published(BoardFolder(board.folder))).is_file():
                    yield path.name, path

    def _cells(self) -> list[Cell]:
        """Return the cells that have a current record."""
        return [cell for cell in self._shown.board.cells if cell.name in self._shown.records]

    def _page(
        self, pictures: Collection[str], samples: Sequence[Samples], files: Sequence[str], under_way: ChartGroup | None
    ) -> bytes:
        board = self._shown.board
        return page(
            "board.html.j2",
            root="../",
            live=under_way is not None,
            under_way=under_way,
            board=board,
            title=board.config.title,
            groups=self._groups(),
            pictures={PICTURES[plot.name]: plot for plot in self.rendered.plots if plot.name in pictures},
            samples=samples,
            sample_data=sample_data(samples),
            reported=[
                (each, self._with_links(each.source), self._with_links(each.note)) for each in self.rendered.content.reported
            ],
            reported_heads=[head.strip("*") for head in REPORTED_HEADS],
            not_measured=NOT_MEASURED,
            downloads=[name for name in files if "/" not in name],
            **self._tables(),
            **self._texts(),
        )

    def _with_links(self, text: str) -> Markup:
        """Return a source or a note of a reported number, each arXiv number a link."""
        return inline_html_of(with_links(text), self._target)

    def _tables(self) -> dict[str, object]:
        """Return the table, what its columns measure, and the tables of differences."""
        table, target = self.rendered.table, self._target
        shown = board_table(table, self._shown)
        return {
            "table": shown,
            "abouts": [inline_html_of(head.about, target) if head.about else "" for head in shown.heads],
            "differences": [(column_head(each.column, "mean", PLAIN), each) for each in difference_tables(table, PLAIN)],
            "about_differences": about(table),
        }

    def _texts(self) -> dict[str, object]:
        """Return the texts of the page in Markdown, as HTML."""
        records, table, target = self._shown, self.rendered.table, self._target
        board = records.board
        texts = {
            "description": board.config.description,
            "smoke": smoke_remark(board),
            "how_made": self.rendered.content.how_made(),
            "legend": legend(table),
            "findings": Findings(table).text(MARKDOWN),
            "methods": method_notes(records),
            "protocol": protocol_list(records),
            "settings": setting_list(board),
            "costs": costs_table(records),
        }
        titles = {"protocol_title": PROTOCOL_TITLE, "settings_title": SETTINGS_TITLE, "costs_title": COSTS_TITLE}
        return {
            **{name: html_of(text, target) for name, text in texts.items()},
            **titles,
            "remarks": [inline_html_of(line, target) for line in (*remarks(records), *grid_remarks(table))],
        }

    def _groups(self) -> dict[str, ChartGroup]:
        table = self.rendered.table
        groups = [*plot_charts(self.rendered.plots), pareto_charts(table, self._shown), seed_charts(table), pair_charts(table)]
        return {group.name: group for group in groups if group is not None}

    def _records(self, *, live: bool) -> Files:
        board = self._shown.board
        cells, logs = self._cells(), self.rendered.logs.cells
        siblings = {cell.row.name: [other for other in cells if other.row is cell.row] for cell in cells}
        return {
            record_file(cell.name): record_html(
                cell, load_record(self.path_of(cell)), logs.get(cell.name, ()), siblings[cell.row.name], board, live=live
            )
            for cell in cells
        }
