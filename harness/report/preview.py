"""A few generated points of each row, small enough to commit: what the sample plot is drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harness.board.cells import Cell, Row
from harness.board.load import Board
from harness.errors import UserError
from harness.report.collect import Collection
from harness.store.files import write_text
from harness.store.layout import Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.interfaces import DataSource

POINTS = 2000
DECIMALS = 4
REAL_FILE = "preview__real.json"


@dataclass(frozen=True)
class Preview:
    """Points in the plane, rounded.

    Args:
        source: sha256 of the sample set that they are the first of; of the dataset its fingerprint.
    """

    source: str
    points: Sequence[Sequence[float]]

    def text(self) -> str:
        """The file's content."""
        return json.dumps({"source": self.source, "points": self.points}, separators=(",", ":")) + "\n"


@dataclass(frozen=True)
class Previews:
    """Of a board: real points, and generated ones by row name."""

    real: Preview | None = None
    rows: Mapping[str, Preview] = field(default_factory=dict)


def preview_file(row: Row) -> str:
    """Name of a row's published preview."""
    return f"preview__{row.name.replace('/', '__')}.json"


def shown_cells(collection: Collection) -> list[tuple[Row, Cell]]:
    """The cell whose samples stand for each row: the lowest seed that is done."""
    found: list[tuple[Row, Cell]] = []
    for row, cells in collection.rows:
        done = [c for c in cells if c.name in collection.records and collection.records[c.name].status == "done"]
        if done:
            found.append((row, min(done, key=lambda cell: cell.seed)))
    return found


def read_published(collection: Collection, folder: Path) -> Previews:
    """Previews in a results folder; those of other sample sets than the records' are left out."""
    rows: dict[str, Preview] = {}
    for row, cell in shown_cells(collection):
        found = _read(folder / preview_file(row))
        if found is not None and found.source == collection.records[cell.name].samples_sha256:
            rows[row.name] = found
    real = _read(folder / REAL_FILE)
    datasets = {record.dataset_fingerprint for record in collection.records.values()}
    return Previews(real if real is not None and real.source in datasets else None, rows)


def make_previews(collection: Collection, layout: Layout) -> Previews:
    """Previews of the sample sets in a runs folder; empty for a dataset that is not shown as points. Imports torch."""
    real = real_preview(collection.board)
    if real is None:
        return Previews()
    made = {row.name: _of_samples(cell, collection, layout) for row, cell in shown_cells(collection)}
    return Previews(real, {name: preview for name, preview in made.items() if preview is not None})


def real_preview(board: Board) -> Preview | None:
    """The first points of the first evaluation draw; None for a dataset that is not shown as points."""
    dataset = board.dataset
    source = cast("DataSource", dataset.component.load()(dataset.settings))  # type: ignore[operator]
    if source.spec.preview != "points" or source.spec.shape != (2,):
        return None
    samples = board.cells[0].evaluation.samples
    return Preview(source.fingerprint, _rounded(source.evaluation(0, samples).x[:POINTS].numpy()))


def _of_samples(cell: Cell, collection: Collection, layout: Layout) -> Preview | None:
    from safetensors.numpy import load_file

    path = layout.stage("sample", cell.sample_key) / "samples.safetensors"
    if not path.is_file():
        return None
    points = load_file(path)["x.0"][:POINTS]
    return Preview(collection.records[cell.name].samples_sha256, _rounded(points))


def _rounded(points: NDArray[np.floating]) -> list[list[float]]:
    # Through text: a float32 rounded in place would be written with all the digits of its float64 neighbour.
    return [[float(f"{value:.{DECIMALS}f}") for value in point] for point in points.tolist()]


def _read(path: Path) -> Preview | None:
    try:
        content = json.loads(path.read_bytes())
        return Preview(str(content["source"]), content["points"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{path}: damaged: not a preview; delete it and publish again") from None


def save_preview(preview: Preview, path: Path) -> None:
    """Write a preview whole or not at all."""
    write_text(path, preview.text())
