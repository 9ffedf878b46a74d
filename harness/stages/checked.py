"""Data as a plugin gives them, checked before anything is made of them: a wrong label or range would spoil every number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

import torch

from harness.board.components import Resolved
from harness.components import Dataset
from harness.indexed import IndexedExamples, IndexedSource
from harness.indexed_sets import InMemory
from harness.interfaces import Batch, CountedSource, DataSource, DataSpec, SelectionSource
from harness.stages.checked_sets import checked_set, root_mean_square
from harness.stages.example_faults import DataFault, check_batch
from harness.training.config import DataPlace
from harness.training.placement import placed

T = TypeVar("T")
FEWER = "lower evaluation.samples, sizes or curve.samples of the board, or --images of `harness measure`"
"""What to do where a dataset cannot give so many examples."""


class CheckedSource(DataSource):
    """A dataset that a board names. Its batches are checked whenever they are read. Raises: DataFault.

    Args:
        dataset: what the board says of the dataset.
        source: what the dataset's plugin built of that.
    """

    def __init__(self, dataset: Resolved[Dataset], source: DataSource) -> None:
        self.name, self.dataset = dataset.name, dataset
        _check_source(dataset, source)
        self.identity: Mapping[str, object] = dataset.identity
        self.spec = source.spec
        self._source = source
        self._placed: dict[tuple[DataPlace, torch.device], IndexedExamples] = {}

    @cached_property
    def fingerprint(self) -> str:
        """The hash of all examples, asked of the plugin once."""
        return self._source.fingerprint

    @property
    def largest_evaluation(self) -> int | None:
        """The largest n that `evaluation` can give; None for a dataset that draws without end."""
        return self._source.largest_evaluation

    def held_out_examples(self) -> int | None:
        """Return the number of held-out examples that all draws are taken from; None where each draw has its own.

        Two of the largest draws share none, unless the dataset counts its examples itself.
        """
        if isinstance(self._source, CountedSource):
            return self._source.held_out_examples()
        return None if self.largest_evaluation is None else 2 * self.largest_evaluation

    def train(self) -> Batch:
        """Return all training examples as one tensor."""
        return check_batch(self._source.train(), self.spec, where=self._training)

    @cached_property
    def training_set(self) -> IndexedExamples:
        """The training examples. They are read once as a whole, or row by row where the dataset gives them so."""
        if not isinstance(self._source, IndexedSource):
            return InMemory.of(self.train())
        examples = self._source.training_set()
        if (given := getattr(examples, "spec", None)) != self.spec:
            raise DataFault(f"{self._training}: its spec is {given}, and the dataset's is {self.spec}; the two must agree")
        return checked_set(examples, self.spec, where=self._training)

    def placed_training_set(self, where: DataPlace, device: torch.device) -> IndexedExamples:
        """Return the training examples where a training reads them. They stay there as long as this object lives."""
        if (where, device) not in self._placed:
            self._placed[where, device] = placed(self.training_set, where, device)
        return self._placed[where, device]

    @cached_property
    def root_mean_square(self) -> float:
        """Root mean square of the values of the training examples."""
        return root_mean_square(self.training_set, self.spec)

    @property
    def _training(self) -> str:
        return f"dataset {self.name}, training data"

    @property
    def largest_selection(self) -> int | None:
        """How many examples the dataset keeps for the curve alone; None where it keeps none."""
        return self._source.largest_selection if isinstance(self._source, SelectionSource) else None

    @property
    def has_fixed_examples(self) -> bool:
        """Whether draws are taken from a fixed set; False where all that is known is that the dataset draws without end."""
        return self.largest_evaluation is not None or isinstance(self._source, SelectionSource)

    def evaluation(self, draw: int, n: int) -> Batch:
        """Return evaluation set number `draw` with n examples."""
        self._check_size(n)
        return self._drawn(self._source.evaluation, "evaluation", draw, n)

    def evaluation_set(self, draw: int, n: int) -> IndexedExamples:
        """Return evaluation set number `draw` with n examples, to be read row by row."""
        self._check_size(n)
        if not isinstance(self._source, IndexedSource):
            return InMemory.of(self.evaluation(draw, n))
        return self._drawn_set(self._source.evaluation_set, "evaluation", draw, n)

    def selection_set(self, draw: int, n: int) -> IndexedExamples:
        """Return n examples for the curve, to be read row by row: those of `selection`."""
        if self.largest_selection is None:
            return self.evaluation_set(draw, n)
        if not isinstance(self._source, IndexedSource):
            return InMemory.of(self.selection(draw, n))
        self._check_selection_size(n, self.largest_selection)
        return self._drawn_set(self._source.selection_set, "selection", draw, n)

    def selection(self, draw: int, n: int) -> Batch:
        """Return n examples for the curve: of those that the dataset keeps for it, else evaluation set number `draw`."""
        if self.largest_selection is None or not isinstance(self._source, SelectionSource):
            return self.evaluation(draw, n)
        self._check_selection_size(n, self.largest_selection)
        return self._drawn(self._source.selection, "selection", draw, n)

    def _drawn(self, give: Callable[[int, int], Batch], part: str, draw: int, n: int) -> Batch:
        batch = self._given(give, part, draw, n)
        check_batch(batch, self.spec, where=self._where(part, draw))
        self._check_number(len(batch), part, draw, n)
        return batch

    def _drawn_set(self, give: Callable[[int, int], IndexedExamples], part: str, draw: int, n: int) -> IndexedExamples:
        examples = checked_set(self._given(give, part, draw, n), self.spec, where=self._where(part, draw))
        self._check_number(len(examples), part, draw, n)
        return examples

    def _given(self, give: Callable[[int, int], T], part: str, draw: int, n: int) -> T:
        try:
            return give(draw, n)
        except ValueError as error:  # the way in which a dataset says that it cannot give them
            raise DataFault(f"{self._where(part, draw)} of {n} examples: {error}; {FEWER}") from error

    def _check_number(self, given: int, part: str, draw: int, n: int) -> None:
        if given != n:
            raise DataFault(f"{self._where(part, draw)}: {given} examples, and {n} were asked for; {FEWER}")

    def _where(self, part: str, draw: int) -> str:
        return f"dataset {self.name}, {part} draw {draw}"

    def check_evaluation(self, draw: int, n: int) -> None:
        """Check that evaluation set number `draw` can have n examples. It is drawn where the dataset does not state a largest n.

        Raises: DataFault when the dataset cannot give so many.
        """
        if self.largest_evaluation is None:
            self.evaluation_set(draw, n)
        self._check_size(n)

    def check_selection(self, draw: int, n: int) -> None:
        """Check that there are n examples of those that the curve compares with. Raises: DataFault when there are fewer."""
        if self.largest_selection is None:
            self.check_evaluation(draw, n)
        else:
            self._check_selection_size(n, self.largest_selection)

    def _check_selection_size(self, n: int, largest: int) -> None:
        if n > largest:
            raise DataFault(
                f"dataset {self.name} keeps {largest} examples for the curve, and {n} are asked for: lower curve.samples "
                "(evaluation.samples for a column with `against: selection`), or raise `selection` of the dataset"
            )

    def _check_size(self, n: int) -> None:
        if self.largest_evaluation is not None and n > self.largest_evaluation:
            raise DataFault(
                f"dataset {self.name} gives {self.largest_evaluation} held-out examples a draw at most, and {n} are asked for: "
                f"{FEWER}"
            )


def _check_source(dataset: Resolved[Dataset], source: DataSource) -> None:
    """Raises: DataFault for a spec that is none, or another one than the component declared without reading data."""
    spec: object = source.spec
    where, must = f"dataset {dataset.name}", "it must be a harness.interfaces.DataSpec, shape a tuple of whole numbers"
    if not isinstance(spec, DataSpec):
        raise DataFault(f"{where}: spec is a {type(spec).__name__}; {must}")
    if not isinstance(spec.shape, tuple) or not all(isinstance(size, int) and size > 0 for size in spec.shape):
        raise DataFault(f"{where}: spec.shape is {spec.shape!r}; {must}")
    declared = dataset.component.known_spec(dataset.settings)
    if declared is not None and declared != spec:
        raise DataFault(f"{where}: its data are {spec}, and {dataset.component.spec} declares {declared}; the two must agree")
