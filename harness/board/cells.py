"""Cells and what they are made of, fully resolved: every default filled in, every name looked up. Picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from harness.board.schema import CurveConfig, EvaluationConfig, MetricConfig
from harness.components import Component, Method, Metric
from harness.config import Config
from harness.store.keys import digest
from harness.store.record_names import floor_name, row_name
from harness.training.config import TrainingConfig
from harness.weights.base_files import BaseWeights

C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Resolved:
    """A component with checked settings.

    Args:
        full: the settings as the board has them, in a smoke run, whose `settings` are smaller; elsewhere None.
    """

    component: Component
    settings: Config
    plugin: str
    version: str
    full: Config | None = None
    bases: tuple[Base, ...] = ()
    """Bases of the board that the settings name, whose networks it calls."""

    @property
    def name(self) -> str:
        return self.component.name

    def of(self, kind: type[C]) -> C:
        """The component, which is of this kind."""
        assert isinstance(self.component, kind)
        return self.component

    @cached_property
    def identity(self) -> dict[str, object]:
        """What a key must contain of it, as JSON values."""
        known: dict[str, object] = {"name": self.name, "version": self.version, "settings": self.settings.identity}
        return known | {"bases": {base.name: base.key for base in self.bases}} if self.bases else known


@dataclass(frozen=True)
class Base:
    """A model and how its weights are made: pretrained in steps, or loaded.

    Args:
        method, training: of the last step; None where the weights are loaded.
        after: the step of pretraining before this one, whose weights it starts from; None starts from random ones.
        weights: the files they are loaded from; None where they are pretrained.
        data: a dataset whose examples stand in the place of samples; it stands in `model` and `sampler` too.
    """

    name: str
    label: str
    model: Resolved
    dataset: Resolved
    method: Resolved | None
    training: TrainingConfig | None
    seed: int
    sampler: Resolved
    after: Base | None = None
    weights: BaseWeights | None = None
    data: Resolved | None = None

    @cached_property
    def origin(self) -> dict[str, object]:
        """How the weights come about, the last step of it, as JSON values, for keys and records."""
        if self.weights is not None:
            return {"weights": self.weights.identity}
        if self.data is not None:
            return {"data": self.data.identity}
        assert self.method is not None
        assert self.training is not None
        return {"method": self.method.identity, "training": self.training.identity, "seed": self.seed}

    @cached_property
    def key(self) -> str:
        before = {} if self.after is None else {"after": self.after.key}
        return digest(
            stage="base",
            model=self.model.identity,
            dataset=self.dataset.identity,
            **self.origin,
            **before,
        )

    @property
    def steps(self) -> tuple[Base, ...]:
        """All steps of pretraining, this one last."""
        return (self,) if self.after is None else (*self.after.steps, self)


@dataclass(frozen=True)
class Column:
    """A column: the metric, and how the board uses it.

    Args:
        extractor: whose features it compares; None for a metric of the samples themselves.
    """

    name: str
    label: str
    metric: Resolved
    use: MetricConfig
    draws: int
    floor_pairs: int
    extractor: Resolved | None = None

    @cached_property
    def key_digest(self) -> str:
        """What the key of a measured value must contain of it."""
        return digest(metric=self.metric.identity, against=self.use.against, draws=self.draws, **self.features_identity)

    @property
    def features_identity(self) -> dict[str, object]:
        """What keys contain of the extractor; nothing where there is none."""
        return {} if self.extractor is None else {"extractor": self.extractor.identity}

    @property
    def component(self) -> Metric:
        assert isinstance(self.metric.component, Metric)
        return self.metric.component


@dataclass(frozen=True)
class Row:
    """One base × method of a board: everything about its cells but the seed, and what their keys have in common.

    Args:
        skip_reason: why its cells cannot run, e.g. a capability that the model lacks; None when they can.
        size: the number of samples, where the board has rows of several.
    """

    board: str
    protocol: int
    base: Base
    method_name: str
    method_label: str
    method: Resolved
    training: TrainingConfig
    evaluation: EvaluationConfig
    metrics: tuple[Column, ...]
    curve: CurveConfig | None
    is_smoke: bool = False
    skip_reason: str | None = None
    size: int | None = None

    @cached_property
    def name(self) -> str:
        """`base/method`, and `base/method/n500` on a board of several numbers of samples."""
        return row_name(self.base.name, self.method_name, self.size)

    @property
    def trains(self) -> bool:
        assert isinstance(self.method.component, Method)
        return self.method.component.trains

    # What a cell's keys share is hashed once here: a board may have 100,000 cells, and a cell's own part is its seed.

    @cached_property
    def finetune_digest(self) -> str:
        if not self.trains:
            return digest(stage="finetune", base=self.base.key, method=self.method.identity)
        return digest(
            stage="finetune",
            base=self.base.key,
            method=self.method.identity,
            training=self.training.identity,
            sampler=self.base.sampler.identity,
            curve=self._curve_identity,
            **self._drawing_batch,
        )

    @property
    def _drawing_batch(self) -> Mapping[str, int]:
        """What banks and curves are drawn with. The default is left out: so older records keep their keys."""
        batch = self.evaluation.batch
        return {} if batch == type(self.evaluation).model_fields["batch"].default else {"batch": batch}

    @property
    def _curve_identity(self) -> object:
        if self.curve is None:
            return None
        metric = next(metric for metric in self.metrics if metric.name == self.curve.metric)
        return {**self.curve.model_dump(mode="json"), "metric": metric.metric.identity, **metric.features_identity}

    @cached_property
    def sample_digest(self) -> str:
        return digest(sampler=self.base.sampler.identity, evaluation=self.evaluation.model_dump(mode="json"))

    @cached_property
    def record_digest(self) -> str:
        return digest(
            protocol=self.protocol,
            finetune=self.finetune_digest,
            sample=self.sample_digest,
            metrics={metric.name: metric.key_digest for metric in self.metrics},
            explodes={metric.name: metric.use.explodes_above for metric in self.metrics},
            skipped=self.skip_reason,
        )


@dataclass(frozen=True)
class Cell:
    """One base × method × seed of a board."""

    row: Row
    seed: int

    @cached_property
    def name(self) -> str:
        """`base/method/s0`."""
        return f"{self.row.name}/s{self.seed}"

    @property
    def facts(self) -> Mapping[str, str]:
        """What filters see."""
        return {
            "base": self.base.name,
            "method": self.method_name,
            "seed": str(self.seed),
            "model": self.base.model.name,
            "n": str(self.evaluation.samples),
        }

    @property
    def board(self) -> str:
        return self.row.board

    @property
    def protocol(self) -> int:
        return self.row.protocol

    @property
    def base(self) -> Base:
        return self.row.base

    @property
    def method_name(self) -> str:
        return self.row.method_name

    @property
    def method_label(self) -> str:
        return self.row.method_label

    @property
    def method(self) -> Resolved:
        return self.row.method

    @property
    def training(self) -> TrainingConfig:
        return self.row.training

    @property
    def evaluation(self) -> EvaluationConfig:
        return self.row.evaluation

    @property
    def metrics(self) -> tuple[Column, ...]:
        return self.row.metrics

    @property
    def curve(self) -> CurveConfig | None:
        return self.row.curve

    @property
    def is_smoke(self) -> bool:
        return self.row.is_smoke

    @property
    def skip_reason(self) -> str | None:
        return self.row.skip_reason

    @property
    def trains(self) -> bool:
        return self.row.trains

    @cached_property
    def finetune_key(self) -> str:
        # What does not train is the same for every seed.
        return digest(stage="finetune", row=self.row.finetune_digest, seed=self.seed if self.trains else None)

    @cached_property
    def sample_key(self) -> str:
        return digest(stage="sample", finetune=self.finetune_key, row=self.row.sample_digest, seed=self.seed)

    def metric_key(self, metric: Column) -> str:
        """Key of one measured column."""
        return digest(stage="metric", sample=self.sample_key, metric=metric.key_digest)

    @cached_property
    def key(self) -> str:
        """Key of the record: it is stale when the board now gives its cell another one."""
        return digest(stage="record", row=self.row.record_digest, seed=self.seed)


@dataclass(frozen=True)
class Floor:
    """One metric between pairs of independent real draws.

    Args:
        board_metrics: all columns of the board: one pass over the images serves those of the same extractor.
        size: as a row's.
    """

    dataset: Resolved
    metric: Column
    samples: int
    board_metrics: tuple[Column, ...] = ()
    size: int | None = None

    @property
    def name(self) -> str:
        """The column's; of one size `fid[fashion-cnn]__n500`."""
        return floor_name(self.metric.name, self.size)

    @cached_property
    def key(self) -> str:
        return digest(
            stage="floor",
            dataset=self.dataset.identity,
            metric=self.metric.metric.identity,
            against=self.metric.use.against,
            samples=self.samples,
            pairs=self.metric.floor_pairs,
            **self.metric.features_identity,
        )
