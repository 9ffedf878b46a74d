"""Check that a board's datasets give what its cells and floors will ask for, before anything is trained. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.board.bases import Base, Examples, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.reading.skips import augment_reason
from harness.errors import noted
from harness.stages import draws
from harness.stages.checked import CheckedSource
from harness.stages.example_faults import DataFault
from harness.stages.metrics import can_be_measured
from harness.stages.process_cache import ProcessCache


def data_faults(board: Board, cells: Sequence[Cell], floors: Sequence[Floor], cache: ProcessCache) -> list[str]:
    """Return a message for each dataset that cannot give the examples that cells and floors need.

    Args:
        cells: the cells that are to run; skipped cells need nothing.
        floors: the floors that are to be measured.
        cache: where datasets are built, or are already.
    """
    cells = [cell for cell in cells if cell.skip_reason is None]
    if not cells and not floors:
        return []
    faults: list[str] = []
    with noted(faults):
        there_are = [floor for floor in floors if can_be_measured(floor, cache.dataset(board.dataset))]
        _draw(cache.dataset(board.dataset), _draws_of_board(cells, there_are))
        _check_selection(cache.dataset(board.dataset), cells)
        _check_training_set(cache.dataset(board.dataset), cells, floors)
        _check_selection_columns(cache.dataset(board.dataset), cells)
    for base in _bases(cells):
        if isinstance(base.origin, Examples):
            with noted(faults):
                examples = cache.dataset(base.origin.dataset)
                _draw(examples, _draws_of_examples(base, cells))
                _check_same_parts(base, examples, cache.dataset(board.dataset))
        if isinstance(base.origin, Pretrained):
            faults += _augmentation_faults(base.name, base.origin, cache.dataset(board.dataset))
    return list(dict.fromkeys(faults))


def _augmentation_faults(name: str, origin: Pretrained, source: CheckedSource) -> Iterator[str]:
    """Yield why steps of pretraining cannot augment: of datasets that must be read to know their shape, no board tells it."""
    for step in origin.steps:
        if reason := augment_reason(step.method.component, step.model, source.spec, step.training):
            yield f"base {name}: {reason}"


def _bases(cells: Sequence[Cell]) -> list[Base]:
    return list({cell.base.key: cell.base for cell in cells}.values())


def _draws_of_board(cells: Sequence[Cell], floors: Sequence[Floor]) -> Iterator[tuple[int, int]]:
    """Yield (draw, number of examples): the largest set of each purpose. A dataset may know some draws and not others."""
    compared = [cell for cell in cells if any(column.draws_real for column in cell.columns)]
    if compared:
        largest = max(compared, key=lambda cell: cell.evaluation.samples)
        yield draws.evaluation(largest.seed, 0), largest.evaluation.samples
    if floors:
        yield draws.floor(0)[0], max(floor.samples for floor in floors)


def _check_selection(source: CheckedSource, cells: Sequence[Cell]) -> None:
    """Raises: DataFault where the dataset cannot give the examples that the curve compares with."""
    trained = [cell for cell in cells if cell.trains and cell.curve is not None]
    if trained and (curve := trained[0].curve) is not None:
        source.check_selection(draws.selection(trained[0].seed), curve.samples)


def _check_selection_columns(source: CheckedSource, cells: Sequence[Cell]) -> None:
    """Check that columns with `against: selection` have examples that are in no draw of the evaluation. Raises: DataFault."""
    for cell in cells:
        for column in cell.columns:
            if not column.compares_with_selection:
                continue
            if source.largest_selection is None and source.has_fixed_examples:
                raise DataFault(
                    f"metric {column.name}: against: selection compares with examples that are kept for the curve, and "
                    f"{source.name} keeps none: give the dataset `selection`, or leave `against` out"
                )
            source.check_selection(draws.selection(cell.seed), cell.evaluation.samples)


def _check_training_set(source: CheckedSource, cells: Sequence[Cell], floors: Sequence[Floor]) -> None:
    """Check that there are as many training examples as columns with `against: train` compare with.

    There would be fewer real examples than generated ones, in silence, and distances depend on both numbers. Raises: DataFault.
    """
    compared = [(column, cell.evaluation.samples) for cell in cells for column in cell.columns]
    compared += [(floor.column, floor.samples) for floor in floors]
    asked = [
        (n, column.name) for column, n in compared if column.compares_with_training and not column.compares_with_all_training
    ]
    if not asked:
        return
    n, name = max(asked)
    if n > (there_are := len(source.training_set)):
        raise DataFault(
            f"metric {name}: against: train compares {n} samples with as many training examples, and {source.name} has "
            f"{there_are}: lower evaluation.samples or sizes, or write `against: train-all` where the metric compares features"
        )


def _check_same_parts(base: Base, examples: CheckedSource, real: CheckedSource) -> None:
    """Check that examples and the real ones are taken from the same part of a dataset, where both are of a fixed number.

    Draws 2k and 2k + 1 share no example only if both are halves of the same held-out examples. Raises: DataFault.
    """
    if not (examples.has_fixed_examples and real.has_fixed_examples):
        return
    if _keep_other_examples(examples, real):
        raise DataFault(
            f"base {base.name}: its dataset keeps {examples.largest_selection or 0} examples for the curve, and the board's "
            f"{real.largest_selection or 0}: give both the same `selection`, so that their draws share no example"
        )


def _keep_other_examples(examples: CheckedSource, real: CheckedSource) -> bool:
    """Return whether the examples that the two keep for the curve differ, as far as their numbers tell."""
    if examples.largest_evaluation is None or real.largest_evaluation is None:  # without some classes: fewer are kept, too
        return (examples.largest_selection is None) != (real.largest_selection is None)
    return examples.largest_selection != real.largest_selection


def _draws_of_examples(base: Base, cells: Sequence[Cell]) -> Iterator[tuple[int, int]]:
    largest = max((cell for cell in cells if cell.base.key == base.key), key=lambda cell: cell.evaluation.samples)
    yield draws.examples_for_samples(largest.seed, 0)[0], largest.evaluation.samples


def _draw(source: CheckedSource, asked: Iterator[tuple[int, int]]) -> None:
    """Raises: DataFault where the dataset cannot give one of the sets, (draw, number of examples)."""
    for draw, n in asked:
        source.check_evaluation(draw, n)
