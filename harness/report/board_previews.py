"""The previews of a board: which cells are shown, and where their samples come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.board.board import Board
from harness.board.cells import Cell, Row
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.report.collect import Collection
from harness.report.preview import Preview, is_enough, preview_of, preview_of_rows, read_preview
from harness.report.unfailing import unfailing
from harness.store import outputs
from harness.store.board_folder import BoardFolder
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    from torch import Tensor

    from harness.indexed import IndexedExamples

READ_AT_ONCE = 500
"""Real examples that are read at once."""


@dataclass(frozen=True)
class BoardPreviews:
    """Previews of real examples, and of generated ones by the row's name.

    Args:
        unmade: a line for each preview that could not be made, with the reason. A preview never fails a run.
    """

    real: Preview | None = None
    rows: Mapping[str, Preview] = field(default_factory=dict)
    unmade: tuple[str, ...] = ()


def shown_cells(collection: Collection) -> list[tuple[Row, Cell]]:
    """Return the cell whose samples stand for each base × method: the lowest seed that is done, of the most samples.

    Of several samplers the board's first one that has a result is shown.
    """
    shown: dict[tuple[str, str], tuple[Row, Cell]] = {}
    for row, cells in collection.rows:
        done = [cell for cell in cells if cell.name in collection.records and collection.records[cell.name].status == "done"]
        names = row.base.name, row.method_name
        if done and (names not in shown or (shown[names][0].size or 0) < (row.size or 0)):
            shown[names] = row, min(done, key=lambda cell: cell.seed)
    return list(shown.values())


def read_published_previews(collection: Collection) -> BoardPreviews:
    """Read the previews in a board's folder; previews of other sample sets than the records' are left out.

    Raises: UserError for a damaged preview.
    """
    folder = BoardFolder(collection.board.folder)
    rows: dict[str, Preview] = {}
    for row, cell in shown_cells(collection):
        preview = read_preview(folder.preview(row.name))
        if preview is not None and preview.source == collection.records[cell.name].samples_sha256:
            rows[row.name] = preview
    real = read_preview(folder.real_preview)
    datasets = {record.dataset_fingerprint for record in collection.records.values()}
    return BoardPreviews(real if real is not None and real.source in datasets else None, rows)


def make_previews(collection: Collection, runs: RunsFolder, *, compares_files: bool = False) -> BoardPreviews:
    """Make the previews of the sample sets in a runs folder. Imports torch. Whatever fails is in `unmade`, and the rest is made.

    Args:
        compares_files: see `sampled_preview`.
    Returns: no previews for data that are neither points in the plane nor images.
    """
    unmade: list[str] = []
    real: Preview | None = None
    with unfailing(unmade, "no preview of real examples"):
        real = real_preview(collection.board)
    if real is None:
        return BoardPreviews(unmade=tuple(unmade))
    rows: dict[str, Preview] = {}
    for row, cell in shown_cells(collection):
        with unfailing(unmade, f"no preview of {row.name}"):
            if (preview := sampled_preview(cell, collection, runs, compares_files=compares_files)) is not None:
                rows[row.name] = preview
    return BoardPreviews(real, rows, tuple(unmade))


def real_preview(board: Board) -> Preview | None:
    """Make the preview of the first evaluation draw; None for data that are neither points in the plane nor images.

    Where a draw has fewer examples than the board generates, the preview is of as many as a draw has.
    """
    from harness.stages.process_cache import ProcessCache

    source = ProcessCache().dataset(board.dataset)
    if not can_be_shown(source.spec):
        return None
    samples, largest = board.cells[0].evaluation.samples, source.largest_evaluation
    examples = source.evaluation_set(0, samples if largest is None else min(samples, largest))
    return preview_of(_beginning(examples, source.spec), source.fingerprint)


def _beginning(examples: IndexedExamples, spec: DataSpec) -> Batch:
    """Return as many of the first examples as a preview needs, so that no set is read whole where it need not be."""
    import torch

    from harness.indexed import in_chunks

    x: list[Tensor] = []
    labels: list[Tensor] = []
    for chunk in in_chunks(examples, READ_AT_ONCE):
        x.append(chunk.x)
        if chunk.labels is not None:
            labels.append(chunk.labels)
        if is_enough(sum(map(len, x)), torch.cat(labels) if labels else None, spec):
            break
    return Batch(torch.cat(x), torch.cat(labels) if labels else None)


def can_be_shown(spec: DataSpec) -> bool:
    """Return whether examples are points in the plane, or images in grey or colour."""
    if spec.preview == "points":
        return spec.shape == (2,)
    return len(spec.shape) == 3 and spec.shape[0] in (1, 3)


def sampled_preview(cell: Cell, collection: Collection, runs: RunsFolder, *, compares_files: bool = False) -> Preview | None:
    """Make the preview of the cell's first sample set; None when the runs folder does not have it.

    Args:
        compares_files: whether the whole file of samples is compared with its hash, as before it is published. Of a file of
            gigabytes that takes seconds, and a preview reads a few samples of it.
    Raises: UserError when the samples are damaged, cannot be read, or are other samples than those of the cell's record.
    """
    from harness.stages.example_sets import SAMPLES, draw_labels, draw_rows

    source = collection.records[cell.name].samples_sha256
    folder = runs.stage("sample", cell.sample_key)
    if not outputs.is_there(folder):
        return None
    facts = outputs.read(folder).facts if compares_files else outputs.read_facts(folder)
    if facts.get("samples_sha256") != source:
        raise UserError(f"the samples in {folder} are not those of its record")
    return preview_of_rows(draw_rows(folder / SAMPLES, 0), draw_labels(folder / SAMPLES, 0), source)
