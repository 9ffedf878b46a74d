"""Columns of a board's table, and their floors: the metric between independent draws of real examples. Picklable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.board.components import Resolved
from harness.board.schema import MetricConfig, Statistic, split_column
from harness.components import Component, Dataset, Extractor, Metric
from harness.images.extraction_settings import DEFAULT, ExtractionSettings
from harness.references import Reference
from harness.store.keys import digest
from harness.store.record_names import floor_name


def column_label(name: str, samples: int) -> str:
    """Return the label of a column in tables. A metric on features shows the number of images: `fid-50k[inception]`."""
    metric, extractor = split_column(name)
    if extractor is None:
        return name
    count = f"{samples // 1000}k" if samples % 1000 == 0 else str(samples)
    return f"{metric}-{count}[{extractor}]"


@dataclass(frozen=True)
class Column:
    """A metric, and how the board uses and shows it.

    Args:
        config: the column's entry in the board's file.
        draws: how many of a cell's draws are measured.
        floor_pairs: how many pairs of real draws make the floor.
        extractor: the extractor whose features the metric compares; None for a metric of the samples themselves.
        reference: published statistics that the metric compares with, in the place of real examples; None compares with these.
        extraction: how features are extracted, for all columns of the board.
    """

    name: str
    label: str
    metric: Resolved[Metric]
    config: MetricConfig
    draws: int
    floor_pairs: int
    extractor: Resolved[Extractor] | None = None
    reference: Reference | None = None
    extraction: ExtractionSettings = DEFAULT

    @cached_property
    def key_digest(self) -> str:
        """Hash of everything in the column that the key of a record depends on."""
        return digest(
            metric=self.metric.identity,
            against=self.config.against,
            draws=self.draws,
            **self.training_identity,
            **self.extractor_identity,
            **self.reference_identity,
        )

    @property
    def extractor_identity(self) -> dict[str, object]:
        """The extractor and its precision as keys hold them; empty where there is none."""
        if self.extractor is None:
            return {}
        precision = self.extraction.identity
        return {"extractor": self.extractor.identity, **({"extraction": precision} if precision else {})}

    @property
    def reference_identity(self) -> dict[str, object]:
        """The published reference as keys hold it; empty where there is none."""
        return {} if self.reference is None else {"reference": self.reference.identity}

    @property
    def training_identity(self) -> dict[str, object]:
        """Which training images the metric sees, as keys hold it; empty where it sees none, all, or the first examples.

        Earlier versions took the first ones for metrics on features too. Only these metrics compare with images.
        """
        return {"training_images": "spread"} if self.config.against == "train" and self.extractor is not None else {}

    @property
    def components(self) -> tuple[Resolved[Component], ...]:
        """The metric, and the extractor where there is one."""
        return (self.metric,) if self.extractor is None else (self.metric, self.extractor)

    @property
    def higher_is_better(self) -> bool:
        """The metric's direction."""
        return self.metric.component.higher_is_better

    @property
    def unit(self) -> str:
        """Unit of the metric's value; empty where it has none."""
        return self.metric.component.unit

    @property
    def compares_with_training(self) -> bool:
        """Whether the real examples are training examples."""
        return self.config.against in ("train", "train-all")

    @property
    def compares_with_selection(self) -> bool:
        """Whether the real examples are those that the curve compares with."""
        return self.config.against == "selection"

    @property
    def compares_with_all_training(self) -> bool:
        """Whether the real examples are the whole training set, whatever the number of samples."""
        return self.config.against == "train-all"

    @property
    def draws_real(self) -> bool:
        """Whether a cell's samples are compared with an evaluation draw of real examples, as far as `against` tells."""
        return self.config.against == "evaluation" and self.reference is None

    @property
    def compares_like_curve(self) -> bool:
        """Whether the curve, which has held-out draws of its own, measures what the column measures at its number of samples."""
        return self.draws_real or self.compares_with_selection or not self._sees_real

    @property
    def may_lack_a_floor(self) -> bool:
        """Whether there may be too few held-out examples for a floor.

        Published statistics are of images that the dataset need not have. And it may keep more examples for the curve than a draw
        of the evaluation has.
        """
        return self.reference is not None or self.compares_with_selection

    @property
    def is_one_sided(self) -> bool:
        """Whether the metric sees no evaluation draw of real examples: it sees others, or statistics, or nothing."""
        return not self.draws_real or not self._sees_real

    @property
    def _sees_real(self) -> bool:
        """Whether the metric sees real examples, or statistics of them. A metric of the samples themselves is given them."""
        metric = self.metric.component
        return bool(metric.real_needs or not metric.needs_features)

    @property
    def explodes_above(self) -> float | None:
        """A value above this limit marks the cell as diverged; None sets no limit."""
        return self.config.explodes_above

    @property
    def ranks(self) -> bool:
        """Whether the table tells better values from worse ones."""
        return self.config.ranks

    @property
    def shown_in(self) -> float:
        """Unit of the table's figures: 0.01 shows hundredths."""
        return self.config.shown_in

    @property
    def digits(self) -> int:
        """Decimals of the table's figures."""
        return self.config.digits

    @property
    def statistics(self) -> Sequence[Statistic]:
        """The statistics of a cell's draws that the table shows."""
        return self.config.show


@dataclass(frozen=True)
class Floor:
    """One column's metric between pairs of independent real draws.

    Args:
        columns: all columns of the board. Columns with the same extractor share one pass over the images.
        size: the number of samples, where the board has rows of several numbers.
    """

    dataset: Resolved[Dataset]
    column: Column
    samples: int
    columns: tuple[Column, ...] = ()
    size: int | None = None

    @property
    def name(self) -> str:
        """The column's name, and the size where the board has several: `fid[fashion-cnn]__n500`."""
        return floor_name(self.column.name, self.size)

    @property
    def metric(self) -> Resolved[Metric]:
        """The column's metric."""
        return self.column.metric

    @property
    def components(self) -> tuple[Resolved[Component], ...]:
        """Every component that has a part in the values."""
        return (self.dataset, *self.column.components)

    @property
    def pairs(self) -> int:
        """How many pairs are measured."""
        return self.column.floor_pairs

    @cached_property
    def key(self) -> str:
        """Key of the floor's record."""
        return digest(
            stage="floor",
            dataset=self.dataset.identity,
            metric=self.metric.identity,
            against=self.column.config.against,
            samples=self.samples,
            pairs=self.pairs,
            **self.column.training_identity,
            **self.column.extractor_identity,
            **self.column.reference_identity,
        )
