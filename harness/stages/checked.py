"""Data as a plugin gives them, checked before anything is made of them: a wrong label or range would spoil every number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import torch

from harness.board.components import Resolved
from harness.components import Dataset
from harness.errors import EndsTheRun
from harness.interfaces import Batch, DataSource, DataSpec, SelectionSource

SLACK = 1e-3
"""How far images may leave [-1, 1]: more than rounding moves them, and less than half a level of 8 bits (4e-3)."""


FEWER = "lower evaluation.samples, sizes or curve.samples of the board, or --images of `harness measure`"
"""What to do where a dataset cannot give so many examples."""


class DataFault(EndsTheRun):
    """A dataset gives something else than it declares."""


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
        self._training: dict[torch.device, Batch] = {}

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the training data, asked of the plugin once."""
        return self._source.fingerprint

    @property
    def largest_evaluation(self) -> int | None:
        """The largest n that `evaluation` can give; None for a dataset that draws without end."""
        return self._source.largest_evaluation

    def train(self) -> Batch:
        """Return all training examples."""
        return check_batch(self._source.train(), self.spec, where=f"dataset {self.name}, training data")

    def training_data(self, device: torch.device) -> Batch:
        """Return all training examples on the device; they are read once and stay there as long as this object lives."""
        if device not in self._training:
            self._training[device] = self.train().to(device)
        return self._training[device]

    @property
    def largest_selection(self) -> int | None:
        """How many examples the dataset keeps for the curve alone; None where it keeps none."""
        return self._source.largest_selection if isinstance(self._source, SelectionSource) else None

    def evaluation(self, draw: int, n: int) -> Batch:
        """Return evaluation set number `draw` with n examples."""
        self._check_size(n)
        return self._drawn(self._source.evaluation, "evaluation", draw, n)

    def selection(self, draw: int, n: int) -> Batch:
        """Return n examples for the curve: of those that the dataset keeps for it, else evaluation set number `draw`."""
        if self.largest_selection is None or not isinstance(self._source, SelectionSource):
            return self.evaluation(draw, n)
        self._check_selection_size(n, self.largest_selection)
        return self._drawn(self._source.selection, "selection", draw, n)

    def _drawn(self, give: Callable[[int, int], Batch], part: str, draw: int, n: int) -> Batch:
        where = f"dataset {self.name}, {part} draw {draw}"
        try:
            batch = give(draw, n)
        except ValueError as error:  # the way in which a dataset says that it cannot give them
            raise DataFault(f"{where} of {n} examples: {error}; {FEWER}") from error
        check_batch(batch, self.spec, where=where)
        if len(batch) != n:
            raise DataFault(f"{where}: {len(batch)} examples, and {n} were asked for; {FEWER}")
        return batch

    def check_evaluation(self, draw: int, n: int) -> None:
        """Check that evaluation set number `draw` can have n examples. It is drawn where the dataset does not state a largest n.

        Raises: DataFault when the dataset cannot give so many.
        """
        if self.largest_evaluation is None:
            self.evaluation(draw, n)
        self._check_size(n)

    def check_selection(self, draw: int, n: int) -> None:
        """Check that the curve can compare with n examples. Raises: DataFault when the dataset cannot give so many."""
        if self.largest_selection is None:
            self.check_evaluation(draw, n)
        else:
            self._check_selection_size(n, self.largest_selection)

    def _check_selection_size(self, n: int, largest: int) -> None:
        if n > largest:
            raise DataFault(
                f"dataset {self.name} keeps {largest} examples for the curve, and {n} are asked for: lower curve.samples, or "
                "raise `selection` of the dataset"
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


def check_batch(batch: Batch, spec: DataSpec, *, where: str) -> Batch:
    """Return the batch, which must be what `spec` declares.

    Args:
        where: which data these are; the message begins with it.
    Raises: DataFault for no examples; another shape or type; values that are not finite; pictures outside of [-1, 1]; labels
        that are absent, not int64, or outside of [0, classes).
    """
    fault = batch_fault(batch, spec)
    if fault:
        raise DataFault(f"{where}: {fault}")
    return batch


def batch_fault(batch: object, spec: DataSpec) -> str | None:
    """Return what is wrong with a batch that must be what `spec` declares, as one line; None when nothing is."""
    if not isinstance(batch, Batch):
        kind = "None" if batch is None else f"a {type(batch).__name__}"
        return f"it gave {kind}; it must give a harness.interfaces.Batch"
    for name, part in (("x", batch.x), ("labels", batch.labels)):
        given: object = part
        if not isinstance(given, torch.Tensor) and not (name == "labels" and given is None):
            return f"{name} is a {type(given).__name__}, not a torch.Tensor"
    return _examples_fault(batch.x, spec) or _labels_fault(batch, spec)


def _examples_fault(x: torch.Tensor, spec: DataSpec) -> str | None:
    if not x.dim() or not len(x):
        return "there are no examples"
    if tuple(x.shape[1:]) != tuple(spec.shape):
        return f"examples have the shape {tuple(x.shape[1:])}, and the dataset declares {tuple(spec.shape)}"
    if x.dtype != torch.float32:
        return f"x is {x.dtype}, not torch.float32"
    low, high = (float(extreme) for extreme in torch.aminmax(x))
    if not (abs(low) < float("inf") and abs(high) < float("inf")):  # false for NaN, too
        return "values that are not finite"
    if _are_pictures(spec) and max(-low, high) > 1 + SLACK:
        remedy = "; divide bytes by 127.5 and subtract 1" if low >= 0 and high <= 255 else ""
        return f"values from {low:.4g} to {high:.4g}, and images are in [-1, 1]{remedy}"
    return None


def _are_pictures(spec: DataSpec) -> bool:
    """Return True for grey and colour images. Latents have more channels, and any range."""
    return spec.preview == "images" and len(spec.shape) == 3 and spec.shape[0] in (1, 3)


def _labels_fault(batch: Batch, spec: DataSpec) -> str | None:
    labels, classes = batch.labels, spec.classes
    if labels is None:
        return f"there are no labels, and the dataset declares {classes} classes" if classes else None
    if not classes:
        return "there are labels, and the dataset declares no classes"
    if labels.dtype != torch.int64 or labels.shape != (len(batch),):
        return f"labels are {labels.dtype} of shape {tuple(labels.shape)}, not torch.int64 of shape ({len(batch)},)"
    low, high = (int(extreme) for extreme in torch.aminmax(labels))
    if low < 0 or high >= classes:
        return f"labels from {low} to {high}, and with {classes} classes they are 0 to {classes - 1}"
    return None
