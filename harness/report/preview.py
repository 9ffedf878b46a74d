"""A few generated points or images of each row, small enough to commit: what the sample plot is drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.board.board import Board
from harness.board.cells import Cell, Row
from harness.errors import UserError
from harness.report.collect import Collection
from harness.report.sheet import pixels, sheet_of
from harness.store.files import write_text
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


POINTS = 2000
DECIMALS = 4
REAL_FILE = "preview__real.json"


@dataclass(frozen=True)
class Preview:
    """Points in the plane, rounded, or a sheet of images.

    Args:
        source: sha256 of the sample set that they are the first of; of the dataset its fingerprint.
        points: empty for images.
        sheet: as `harness.report.sheet` makes it; empty for points.
    """

    source: str
    points: Sequence[Sequence[float]] = ()
    sheet: str = ""

    def text(self) -> str:
        """The file's content."""
        shown = {"sheet": self.sheet} if self.sheet else {"points": self.points}
        return json.dumps({"source": self.source, **shown}, separators=(",", ":")) + "\n"


@dataclass(frozen=True)
class Previews:
    """Of a board: real examples, and generated ones by row name."""

    real: Preview | None = None
    rows: Mapping[str, Preview] = field(default_factory=dict)


def preview_file(row: Row) -> str:
    """Name of a row's published preview."""
    return f"preview__{row.name.replace('/', '__')}.json"


def shown_cells(collection: Collection) -> list[tuple[Row, Cell]]:
    """The cell whose samples stand for each base × method: the lowest seed that is done, of the most samples."""
    found: dict[tuple[str, str], tuple[Row, Cell]] = {}
    for row, cells in collection.rows:
        done = [c for c in cells if c.name in collection.records and collection.records[c.name].status == "done"]
        which = row.base.name, row.method_name
        if done and (which not in found or (found[which][0].size or 0) < (row.size or 0)):
            found[which] = row, min(done, key=lambda cell: cell.seed)
    return list(found.values())


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


def make_previews(collection: Collection, layout: RunsFolder) -> Previews:
    """Previews of the sample sets in a runs folder; empty for data that is neither points in the plane nor images.
    Imports torch."""
    real = real_preview(collection.board)
    if real is None:
        return Previews()
    made = {row.name: _of_samples(cell, collection, layout) for row, cell in shown_cells(collection)}
    return Previews(real, {name: preview for name, preview in made.items() if preview is not None})


def real_preview(board: Board) -> Preview | None:
    """The first examples of the first evaluation draw; None for what is neither points in the plane nor images."""
    dataset = board.dataset
    source = dataset.component.create(dataset.settings)
    spec = source.spec
    is_shown = spec.shape == (2,) if spec.preview == "points" else len(spec.shape) == 3 and spec.shape[0] in (1, 3)
    if not is_shown:
        return None
    batch = source.evaluation(0, board.cells[0].evaluation.samples)
    return _preview(source.fingerprint, batch.x, batch.labels)


def _of_samples(cell: Cell, collection: Collection, layout: RunsFolder) -> Preview | None:
    from safetensors import safe_open

    path = layout.stage("sample", cell.sample_key) / "samples.safetensors"
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        labels = file.get_tensor("labels.0") if "labels.0" in file.keys() else None  # noqa: SIM118 - it is no dict
        return _preview(collection.records[cell.name].samples_sha256, file.get_tensor("x.0"), labels)


def _preview(source: str, x: Tensor, labels: Tensor | None) -> Preview:
    if x.ndim == 4:
        return Preview(source, sheet=sheet_of(x, labels))
    return Preview(source, _rounded(x[:POINTS].numpy()))


def _rounded(points: NDArray[np.floating]) -> list[list[float]]:
    # Through text: a float32 rounded in place would be written with all the digits of its float64 neighbour.
    return [[float(f"{value:.{DECIMALS}f}") for value in point] for point in points.tolist()]


def _read(path: Path) -> Preview | None:
    try:
        content = json.loads(path.read_bytes())
        if "sheet" in content:
            pixels(content["sheet"])
            return Preview(str(content["source"]), sheet=content["sheet"])
        return Preview(str(content["source"]), content["points"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{path}: damaged: not a preview; delete it and publish again") from None


def save_preview(preview: Preview, path: Path) -> None:
    """Write a preview whole or not at all."""
    write_text(path, preview.text())
