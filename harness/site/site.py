"""A site of boards: all of its files, made from their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

import harness
from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import UserError
from harness.report.render import Rendered
from harness.site.addresses import INDEX
from harness.site.board_page import BoardSite, Files
from harness.site.charts import ChartGroup
from harness.site.markdown import html_of, targets_from
from harness.site.templates import page
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Site:
    """All files of a site, by their path.

    Args:
        undrawn: a line for each picture that could not be drawn, with the reason.
    """

    files: Files
    undrawn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A board in the index: its page, title and first paragraph, and how many of the cells that can run have a record."""

    name: str
    title: str
    about: Markup
    rows: int
    records: int
    cells: int


def site_of(
    boards: Sequence[Rendered], runs: RunsFolder | None = None, *, under_way: Mapping[str, ChartGroup] | None = None
) -> Site:
    """Make the site of boards.

    Args:
        boards: each as its page in Markdown shows it.
        runs: the runs folder that holds their records; None for published ones.
        under_way: the charts of each board's trainings under way, where the pages ask the server that shows them for news.
    Raises: UserError for two boards of one name, and for a damaged record.
    """
    folders = _folders(boards)
    made: Files = {}
    undrawn: list[str] = []
    for rendered in boards:
        board_site = BoardSite(rendered, _paths(rendered.content.collection.board, runs), folders)
        of_board, not_drawn = board_site.files(None if under_way is None else under_way[board_site.name])
        made |= {f"{board_site.name}/{path}": content for path, content in of_board.items()}
        undrawn += [*rendered.undrawn, *not_drawn]
    made[INDEX] = page(
        "index.html.j2",
        root="",
        live=under_way is not None,
        entries=[_entry(each, folders) for each in boards],
        version=harness.__version__,
    )
    return Site(made | _assets(), tuple(undrawn))


def _folders(boards: Sequence[Rendered]) -> Mapping[Path, str]:
    """Return the address of each board's page, seen from a folder beside it. Raises: UserError for two boards of one name."""
    named: dict[str, Path] = {}
    for rendered in boards:
        board = rendered.content.collection.board
        folder = board.folder.resolve()
        if named.setdefault(board.name, folder) != folder:
            raise UserError(f"{named[board.name]} and {folder}: boards of one name, {board.name}; a site holds one of them")
    return {folder: f"../{quote(name)}/{INDEX}" for name, folder in named.items()}


def _paths(board: Board, runs: RunsFolder | None) -> Callable[[Cell], Path]:
    """Return what gives the file of a cell's record: among the published ones, or in the runs folder."""

    def path(cell: Cell) -> Path:
        if runs is not None:
            return runs.record(board.name, cell.name, cell.key)
        return BoardFolder(board.folder).record(RecordName("cell", cell.name))

    return path


def _entry(rendered: Rendered, folders: Mapping[Path, str]) -> Entry:
    collection, table = rendered.content.collection, rendered.table
    board = collection.board
    about = board.config.description.strip().partition("\n\n")[0]
    can_run = [cell for cell in board.cells if cell.skip_reason is None]
    target = targets_from(board.folder, {folder: address.removeprefix("../") for folder, address in folders.items()})
    return Entry(
        name=board.name,
        title=board.config.title,
        about=html_of(about, target),
        rows=len(table.rows),
        records=sum(cell.name in collection.records for cell in can_run),
        cells=len(can_run),
    )


def _assets() -> Files:
    """Return the scripts and styles, and the notices of their licences."""
    return dict(_below(files("harness.site") / "assets", "assets"))


def _below(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        inner = f"{path}/{entry.name}"
        found += _below(entry, inner) if entry.is_dir() else [(inner, entry.read_bytes())]
    return found
