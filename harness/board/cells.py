"""Cells of a board, base × method × seed (× sampler), and their keys. Picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.board.bases import Base
from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.samplers import EvaluationSampler
from harness.board.schema import CurveConfig, EvaluationConfig
from harness.components import Component, Method, Sampler
from harness.process.inference_precision import FULL
from harness.store.keys import digest
from harness.store.record_names import row_name
from harness.training.config import TrainingConfig
from harness.training.rounds import NO_ROUNDS, RoundsConfig, rounds_of


@dataclass(frozen=True)
class Row:
    """One base × method of a board. A row holds everything that its cells share: all but the seed.

    Args:
        board: name of the board.
        skip_reason: why the cells cannot run, such as a capability that the model lacks; None when they can.
        size: the number of samples, where the board has rows of several numbers.
        sampled_with: the sampler that draws what is measured, where the board has rows of several samplers; None where the
            base's sampler does.
    """

    board: str
    protocol: int
    base: Base
    method_name: str
    method_label: str
    method: Resolved[Method]
    training: TrainingConfig
    evaluation: EvaluationConfig
    columns: tuple[Column, ...]
    curve: CurveConfig | None
    is_smoke: bool = False
    skip_reason: str | None = None
    size: int | None = None
    sampled_with: EvaluationSampler | None = None

    @cached_property
    def name(self) -> str:
        """`base/method`; `base/method/n500/heun-18` on a board with several numbers of samples and several samplers."""
        return row_name(self.base.name, self.method_name, self.size, self.sampler_name)

    @property
    def sampler_name(self) -> str | None:
        """Name of the sampler, where the board has rows of several samplers; else None."""
        return None if self.sampled_with is None else self.sampled_with.name

    @property
    def sampler(self) -> Resolved[Component]:
        """The component that makes what is measured. A base of examples has their dataset here."""
        return self.base.origin.recorded_sampler if self.sampled_with is None else self.sampled_with.sampler

    @property
    def network_sampler(self) -> Resolved[Sampler]:
        """The sampler of a row whose base has a network; ask `base.has_network` first."""
        return self.base.network.sampler if self.sampled_with is None else self.sampled_with.sampler

    @property
    def trains(self) -> bool:
        """Whether the method changes the base's weights."""
        return self.method.component.trains

    # The keys of all cells of a row share the digests below. Each digest is made once for the row, because a board may have
    # 100,000 cells. A cell adds its seed.

    @cached_property
    def finetune_digest(self) -> str:
        """Hash of everything that the fine-tuned weights depend on, beside the seed.

        The base's sampler draws banks and the curve. Rows of several samplers share the weights.
        """
        if not self.trains:
            return digest(stage="finetune", base=self.base.key, method=self.method.identity)
        return digest(
            stage="finetune",
            base=self.base.key,
            method=self.method.identity,
            training=self.training.identity,
            sampler=self.base.origin.recorded_sampler.identity,
            curve=self._curve_identity,
            **self._drawing_batch,
            **self._sampling_precision,
            **self._averages,
            **self.training.arithmetic,
        )

    @cached_property
    def shared_training_digest(self) -> str:
        """Hash of everything that a training depends on which cells share that differ in `merges` or `select`; but the seed."""
        method, training = self.method.identity, self.training.identity
        settings = {name: value for name, value in self.method.settings.identity.items() if name not in self._merges}
        return digest(
            stage="training",
            base=self.base.key,
            method={**method, "settings": settings},
            training={name: value for name, value in training.items() if name != "select"},
            sampler=self.base.origin.recorded_sampler.identity,
            points=None if self.curve is None else self.curve.points,
            **self._drawing_batch,
            **self._sampling_precision,
            **self._averages,
            **self.training.arithmetic,
        )

    @property
    def _merges(self) -> frozenset[str]:
        return self.method.component.merges

    @property
    def shares_training(self) -> bool:
        """Whether the method has settings that act only after training, so that rows may share one."""
        return self.trains and bool(self._merges)

    @property
    def _sampling_precision(self) -> Mapping[str, str]:
        """The precision of banks, of the curve's samples, and of those that a method draws in its steps.

        Under autocast the latter were in half precision at first, so that the keys of cells that autocast must differ from the
        keys of that time.
        """
        precision = self.evaluation.sampling_precision
        if precision != FULL:
            return {"sampling": precision}
        return {} if self.training.precision == "float32" else {"sampling": "float32"}

    @property
    def _averages(self) -> Mapping[str, str]:
        """Where averages of the weights begin, in a training of several rounds.

        They went on over all rounds at first, and a round started from the network's own weights, so that the keys of such cells
        must differ from the keys of that time.
        """
        has_rounds = rounds_of(self.method.settings).rounds > 1
        return {"averages": "by round"} if has_rounds and self.training.ema is not None else {}

    @property
    def _drawing_batch(self) -> Mapping[str, int]:
        """The batch with which banks and curves are drawn. The default is left out, so that older records keep their keys."""
        batch = self.evaluation.batch
        return {} if batch == type(self.evaluation).model_fields["batch"].default else {"batch": batch}

    @property
    def _curve_identity(self) -> object:
        if self.curve is None or self.curve_settings is None:
            return None
        column = next(column for column in self.columns if column.name == self.curve.metric)
        return {**self.curve_settings, "metric": column.metric.identity, **column.extractor_identity}

    @property
    def curve_settings(self) -> Mapping[str, object] | None:
        """The settings of the curve that the row's numbers depend on: JSON values; None without a curve."""
        if self.curve is None:
            return None
        of_several = {"points_in_round"} if self.rounds_of_curve.rounds == 1 else set()
        return {name: value for name, value in self.curve.identity.items() if name not in of_several}

    @property
    def rounds_of_curve(self) -> RoundsConfig:
        """The rounds in which the curve is measured. A training that rows may share is measured after its end, as one round."""
        return NO_ROUNDS if self.shares_training else rounds_of(self.method.settings)

    @property
    def curve_points(self) -> int:
        """How many points the curve has, over rounds and candidates, with the one at the start; 0 without a curve."""
        if self.curve is None or not self.trains:
            return 0
        return self.rounds_of_curve.curve_points(self.training.steps, self.curve.points, self.curve.points_in_round)

    @cached_property
    def sample_digest(self) -> str:
        """Hash of everything that the samples depend on, beside weights and seed."""
        return digest(sampler=self.sampler.identity, evaluation=self.evaluation.identity)

    @cached_property
    def record_digest(self) -> str:
        """Hash of everything that the record depends on, beside the seed."""
        return digest(
            protocol=self.protocol,
            finetune=self.finetune_digest,
            sample=self.sample_digest,
            metrics={column.name: column.key_digest for column in self.columns},
            explodes={column.name: column.explodes_above for column in self.columns},
            skipped=self.skip_reason,
        )


@dataclass(frozen=True)
class Cell:
    """One base × method × seed of a board (× sampler, where the board has several)."""

    row: Row
    seed: int

    @cached_property
    def name(self) -> str:
        """`base/method/s0`."""
        return f"{self.row.name}/s{self.seed}"

    @property
    def facts(self) -> Mapping[str, str]:
        """The value of each filter key."""
        return {
            "base": self.base.name,
            "method": self.method_name,
            "seed": str(self.seed),
            "model": self.base.origin.recorded_model.name,
            "sampler": self.row.sampler_name or self.row.sampler.name,
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
    def method(self) -> Resolved[Method]:
        return self.row.method

    @property
    def training(self) -> TrainingConfig:
        return self.row.training

    @property
    def evaluation(self) -> EvaluationConfig:
        return self.row.evaluation

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.row.columns

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

    @property
    def components(self) -> tuple[Resolved[Component], ...]:
        """Every component that has a part in the result. A method that does not train has none."""
        method = (self.method,) if self.trains else ()
        columns = (component for column in self.columns for component in column.components)
        return (*self._sample_components, self.base.dataset, *method, *columns)

    @property
    def _sample_components(self) -> tuple[Resolved[Component], ...]:
        """The components of base and sampler. The base's own sampler has a part where it draws, or where a method trains."""
        origin, sampled_with = self.base.origin, self.row.sampled_with
        if sampled_with is None:
            return origin.components
        own = tuple(part for part in origin.components if self.trains or part is not origin.recorded_sampler)
        return (*own, sampled_with.sampler)

    @cached_property
    def finetune_key(self) -> str:
        """Key of the fine-tuned weights."""
        # The weights of a method that does not train are the same for every seed.
        return digest(stage="finetune", row=self.row.finetune_digest, seed=self.seed if self.trains else None)

    @cached_property
    def shared_training_key(self) -> str:
        """Key of the training that the cell may share with others; ask `row.shares_training` first."""
        return digest(stage="training", row=self.row.shared_training_digest, seed=self.seed)

    @cached_property
    def sample_key(self) -> str:
        """Key of the samples."""
        return digest(stage="sample", finetune=self.finetune_key, row=self.row.sample_digest, seed=self.seed)

    @cached_property
    def key(self) -> str:
        """Key of the record. A record is stale when the board now gives its cell another key."""
        return digest(stage="record", row=self.row.record_digest, seed=self.seed)
