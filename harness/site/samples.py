"""Samples on a board's page: sheets of images or points, and which rows can be laid side by side."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.board.cells import Cell, Row
from harness.report.board_previews import BoardPreviews, shown_cells
from harness.report.collect import Collection
from harness.report.sheet import COLUMNS, GAP, LINES, pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_POINTS = 500
"""Points of a row that the page shows, of those in its preview."""
POINT_DECIMALS = 3
WHITE = 255


@dataclass(frozen=True)
class Samples:
    """The samples of one row, or real examples.

    Args:
        label: base × method; `real` for real examples.
        seed: of the cell that drew them; None for real examples.
        group: rows with the same number start from the same weights and noise; 0 for real examples.
        image: the file of the sheet; empty for points. png: its content.
        width, height: of the sheet in pixels. columns, lines: of its images.
        points: of a sample set in the plane.
    """

    label: str
    seed: int | None
    group: int
    image: str = ""
    png: bytes = b""
    width: int = 0
    height: int = 0
    columns: int = 0
    lines: int = 0
    points: Sequence[Sequence[float]] = ()


def samples_of(collection: Collection, previews: BoardPreviews) -> list[Samples]:
    """Return the real examples, and the samples of each row that has a preview; none without any of both.

    Rows are of one group where base, sampler, number of samples and seed agree, since sample i is drawn from the stream of
    (seed, i), and where they start from the same weights: a base that was pretrained twice is two.
    """
    shown = [(row, cell) for row, cell in shown_cells(collection) if row.name in previews.rows]
    if previews.real is None or not shown:
        return []
    groups: dict[object, int] = {}
    samples = [_samples("real", "real", None, 0, previews.real.sheet, previews.real.points)]
    for number, (row, cell) in enumerate(shown):
        preview = previews.rows[row.name]
        weights = collection.records[cell.name].base_weights_sha256
        group = groups.setdefault((_noise(row, cell), weights), len(groups) + 1) if row.base.has_network else 0
        samples.append(_samples(f"row-{number}", _label(row), cell.seed, group, preview.sheet, preview.points))
    return samples


def _noise(row: Row, cell: Cell) -> tuple[str, str | None, int | None, int]:
    return row.base.name, row.sampler_name, row.size, cell.seed


def _label(row: Row) -> str:
    label = f"{row.base.label} × {row.method_label}" if row.base.has_network else row.base.label
    return label if row.sampled_with is None else f"{label}, {row.sampled_with.label}"


def _samples(name: str, label: str, seed: int | None, group: int, sheet: str, points: Sequence[Sequence[float]]) -> Samples:
    if not sheet:
        return Samples(label, seed, group, points=points[:MOST_POINTS])
    image = pixels(sheet)
    columns, lines = sheet_grid(image)
    png = base64.b64decode(sheet)
    return Samples(label, seed, group, f"images/{name}.png", png, image.shape[1], image.shape[0], columns, lines)


def sample_data(samples: Sequence[Samples]) -> list[dict[str, object]]:
    """Return what assets/samples.js needs of samples, as JSON values. A point that is not finite stands as None."""
    return [
        {
            "label": each.label,
            "seed": each.seed,
            "group": each.group,
            **(_image_data(each) if each.image else {"points": [_finite(point) for point in each.points]}),
        }
        for each in samples
    ]


def _image_data(samples: Samples) -> dict[str, object]:
    names = ("image", "width", "height", "columns", "lines")
    return {name: getattr(samples, name) for name in names}


def _finite(point: Sequence[float]) -> list[float | None]:
    return [round(value, POINT_DECIMALS) if math.isfinite(value) else None for value in point]


def sheet_grid(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Return how many columns and lines of images a sheet has: the finest grid of square images with white lines between them.

    Args:
        image: (height, width, 3), as `harness.report.sheet` makes it. Returns: (1, 1) where no grid fits.
    """
    height, width = image.shape[:2]
    for columns in range(COLUMNS, 0, -1):
        side, rest = divmod(width + GAP, columns)
        if rest or side <= GAP:
            continue
        lines, more = divmod(height + GAP, side)
        if more or not 1 <= lines <= LINES:
            continue
        if (image[:, side - GAP :: side] == WHITE).all() and (image[side - GAP :: side] == WHITE).all():
            return columns, lines
    return 1, 1
