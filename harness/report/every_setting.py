"""The part of a page that lists every setting, given or by default: a default decides a number as much as a given value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.board.bases import Base, Examples, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.process.inference_precision import FULL
from harness.report.markup import markdown_text
from harness.report.phrases import INNER, full_component, setting_text, used_settings, where_only
from harness.training.config import TrainingConfig

Entry = tuple[str, str]
"""What has the settings, such as the label of a base, and the settings as text."""


TITLE = "Every setting, given by the board or by default"


def every_setting(board: Board) -> str:
    """Return a section that a reader can unfold."""
    # The blank lines let the inside be markdown; the attribute does so for mkdocs.
    return f'<details markdown="1">\n<summary>{TITLE}</summary>\n\n{setting_list(board)}\n\n</details>'


def setting_list(board: Board) -> str:
    """Return the settings as a list in markdown. Entries with the same settings stand in one line."""
    parts: list[tuple[str, Iterator[Entry]]] = [
        ("Data", _data(board)),
        ("Models", _models(board)),
        ("Pretraining", _pretraining(board)),
        ("Samplers", _samplers(board)),
        ("Methods", _methods(board)),
        ("Training", _training(board)),
        ("Metrics", _metrics(board)),
        ("Evaluation", _evaluation(board)),
    ]
    lines: list[str] = []
    for title, entries in parts:
        grouped = _grouped(entries)
        lines += [f"- **{title}**", *(f"{INNER}- {line}" for line in grouped)] if grouped else []
    return "\n".join(lines)


def _grouped(entries: Iterator[Entry]) -> list[str]:
    """Return a line for each text, with the names of all entries that have it."""
    names_of: dict[str, list[str]] = {}
    for name, text in entries:
        names_of.setdefault(text, []).append(name)
    return [f"{'; '.join(filter(None, dict.fromkeys(names)))}: {text}".removeprefix(": ") for text, names in names_of.items()]


def _data(board: Board) -> Iterator[Entry]:
    yield "the board's dataset", full_component(board.dataset)
    for base in board.named_bases:
        if isinstance(base.origin, Examples):
            yield markdown_text(base.label), full_component(base.origin.dataset)


def _models(board: Board) -> Iterator[Entry]:
    for base in _networks(board):
        yield markdown_text(base.label), full_component(base.network.model)


def _pretraining(board: Board) -> Iterator[Entry]:
    for name, step in _steps(board.bases):
        yield name, f"{full_component(step.method)}; seed {step.seed}"


def _samplers(board: Board) -> Iterator[Entry]:
    for sampler in board.samplers:
        yield f"evaluation, {markdown_text(sampler.label)}", full_component(sampler.sampler)
    for base in _networks(board):
        label = markdown_text(base.label)
        yield f"training of {label}" if board.samplers else label, full_component(base.network.sampler)


def _methods(board: Board) -> Iterator[Entry]:
    for label, cell in _cells_of_methods(board):
        yield label, full_component(cell.method)


def _training(board: Board) -> Iterator[Entry]:
    for name, step in _steps(board.named_bases):
        yield f"pretraining of {name}", _budget(step.training)
    for label, cell in _cells_of_methods(board):
        if cell.trains:
            yield label, _budget(cell.training)


def _steps(bases: Iterable[Base]) -> Iterator[tuple[str, Pretrained]]:
    """Yield each step of pretraining, with the label of its base and, where there are several steps, its number."""
    for base in bases:
        steps = base.origin.steps
        for number, step in enumerate(steps, 1):
            yield markdown_text(f"{base.label}, step {number}" if len(steps) > 1 else base.label), step


def _cells_of_methods(board: Board) -> Iterator[tuple[str, Cell]]:
    """Yield a cell of each method, with the method's label. Cells of one method differ in no setting that is shown."""
    first_cells: dict[str, Cell] = {}
    for cell in board.cells:
        if cell.base.has_network:
            first_cells.setdefault(cell.method_name, cell)
    for name, cell in first_cells.items():
        yield f"{markdown_text(cell.method_label)}{where_only(board.config.methods[name])}", cell


def _metrics(board: Board) -> Iterator[Entry]:
    for column in board.columns:
        features = "" if column.extractor is None else f" on features of {full_component(column.extractor)}"
        real = f"against: {column.config.against}" if column.reference is None else f"reference: {column.reference.name}"
        counts = f"draws: {column.draws}, floor\\_pairs: {column.floor_pairs}"
        yield (
            markdown_text(column.label),
            f"{full_component(column.metric)}{features}; {real}, {counts}",
        )


def _evaluation(board: Board) -> Iterator[Entry]:
    sizes = dict.fromkeys(floor.samples for floor in board.floors)
    evaluation, curve = board.cells[0].evaluation, board.cells[0].curve
    samples = " or ".join(map(str, sizes))
    kept = "" if evaluation.keep_samples is None else f", keep\\_samples: {evaluation.keep_samples}"
    names = ("sampling_precision", "extraction_precision")
    precisions = [f", {markdown_text(name)}: {value}" for name in names if (value := getattr(evaluation, name)) != FULL]
    yield "", f"samples: {samples}, draws: {evaluation.draws}, batch: {evaluation.batch}{kept}{''.join(precisions)}"
    if curve is not None:
        yield "", f"curve: {markdown_text(curve.metric)} at {curve.points + 1} points, samples: {curve.samples}"


def _networks(board: Board) -> Iterator[Base]:
    return (base for base in board.named_bases if base.has_network)


def _budget(training: TrainingConfig) -> str:
    return markdown_text(", ".join(f"{name}: {setting_text(value)}" for name, value in used_settings(training).items()))
