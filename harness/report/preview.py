"""A preview: a few points or images of one sample set, small enough to commit, and its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.report.sheet import COLUMNS, LINES, pixels, sheet_of
from harness.store.files import write_text
from harness.store.reading import read_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from harness.interfaces import Batch, DataSpec
    from harness.weights.tensor_rows import TensorRows

POINTS = 2000
"""Points that a preview keeps."""
DECIMALS = 4


@dataclass(frozen=True)
class Preview:
    """Points in the plane, rounded, or a sheet of images.

    Args:
        source: identity of the set whose first points or images these are: a sample set's sha256, or a dataset's fingerprint.
        points: empty for images.
        sheet: a sheet as `sheet_of` makes it; empty for points.
    """

    source: str
    points: Sequence[Sequence[float]] = ()
    sheet: str = ""

    def text(self) -> str:
        """Return the content of the preview's file."""
        content = {"sheet": self.sheet} if self.sheet else {"points": self.points}
        return json.dumps({"source": self.source, **content}, separators=(",", ":")) + "\n"


def preview_of(batch: Batch, source: str) -> Preview:
    """Make the preview of a sample set: a sheet of images, (n, C, H, W), or the first points, (n, 2)."""
    if batch.x.ndim == 4:
        return Preview(source, sheet=sheet_of(batch.x, batch.labels))
    return Preview(source, _rounded(batch.x[:POINTS]))


def is_enough(n: int, labels: Tensor | None, spec: DataSpec) -> bool:
    """Return whether the preview of the first n examples is that of any larger set which begins with them.

    Args:
        labels: of these examples, (n,) int64.
    """
    if len(spec.shape) != 3:
        return n >= POINTS
    if labels is None or spec.classes == 1:
        return n >= COLUMNS * LINES
    counts = labels.bincount(minlength=spec.classes)
    if spec.classes <= COLUMNS:
        return bool((counts >= LINES).all())
    return n >= COLUMNS * LINES and len(counts) > COLUMNS and bool(counts[COLUMNS:].any())


def preview_of_rows(rows: TensorRows, labels: Tensor | None, source: str) -> Preview:
    """Make the preview of a sample set in a file, of which only what is shown is read."""
    if len(rows.shape) == 4:
        return Preview(source, sheet=sheet_of(rows, labels))
    return Preview(source, _rounded(rows.read(0, POINTS)))


def _rounded(points: Tensor) -> list[list[float]]:
    # Through text: a float32 rounded in place would be written with all the digits of its float64 neighbour.
    return [[float(f"{value:.{DECIMALS}f}") for value in point] for point in points.tolist()]


def save_preview(preview: Preview, path: Path) -> None:
    """Write a preview whole or not at all."""
    write_text(path, preview.text())


def read_preview(path: Path) -> Preview | None:
    """Read a preview; None when the file does not exist. Raises: UserError when the file holds no preview."""
    try:
        content = json.loads(read_bytes(path))
        if "sheet" in content:
            pixels(content["sheet"])
            return Preview(str(content["source"]), sheet=content["sheet"])
        return Preview(str(content["source"]), _checked_points(content["points"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UserError(f"{path}: damaged: not a preview; delete it and publish again") from None


def _checked_points(points: object) -> list[list[float]]:
    """Return points that were read from a file. Raises: ValueError unless each is two numbers."""
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise ValueError("no list of points")
    if not all(type(value) in (float, int) for point in points for value in point):
        raise ValueError("points that are no numbers")
    return points
