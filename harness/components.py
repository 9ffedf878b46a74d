"""The named components that plugins provide and boards name. Importing this module costs no torch.

Plugin authors write a target as text, "module:attribute". The harness imports a target only when it calls it, so that
`harness list` does not import torch. The field that holds a target says which arguments the target is called with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from harness.component import Component as Component
from harness.config import Config
from harness.interfaces import (
    DataSource,
    DataSpec,
    FeatureExtractor,
    FeatureMetricFunction,
    JobExecutor,
    MetricFunction,
    SampleFunction,
    TakesSteps,
)
from harness.targets import Target, conforming
from harness.tracking import RunTracker, TrackedRun
from harness.usages import MethodUsage as MethodUsage
from harness.usages import MetricUsage as MetricUsage
from harness.usages import ModelUsage as ModelUsage
from harness.usages import SamplerUsage as SamplerUsage

if TYPE_CHECKING:
    from torch import nn

    from harness.training.method import FinetuneMethod, Task


@dataclass(frozen=True)
class Model(Component):
    """`build(config, spec)` returns a `torch.nn.Module` whose state dict has the published names.

    Args:
        provides: names of the capabilities (harness.capabilities) that the module implements.
        sampler: the native sampler, which is used where a board names none.
        check: target of a function `(config, usage: ModelUsage)`, without torch, that is called when a board is read. It raises
            UserError where the settings do not fit the data. Empty: all settings fit all data.
        layout: target of a class derived from `harness.weights.layouts.Layout`. The class knows how weight files of this family
            of networks name their tensors, and how they describe their settings. Empty: files use the network's own names.
        drops: function `(config)`, without torch, that returns whether the network drops parts of itself at random in train mode
            (dropout, stochastic depth). Such a network is pretrained in train mode. All else has networks in eval mode:
            fine-tuning, as DDO and SFT-PG are published, references and sampling. None: never.
        follows_labels: function `(config)`, without torch, that returns whether the network takes labels, where the data have
            classes. Pages then say what that does to the floor. None: never.
    """

    kind = "model"
    _: KW_ONLY
    provides: frozenset[str]
    sampler: str
    check: str = ""
    layout: str = ""
    drops: Callable[[Config], bool] | None = None
    follows_labels: Callable[[Config], bool] | None = None

    def create(self, config: Config, spec: DataSpec) -> nn.Module:
        """Build the network with initial weights. Raises: UserError when the target builds something else."""
        from torch import nn

        built = Target[Callable[[Config, DataSpec], nn.Module]](self.build).load(where=self._field("build"))(config, spec)
        return conforming(built, nn.Module, where=self._where)

    def drops_parts(self, config: Config) -> bool:
        """Return whether a network of these settings drops parts of itself at random in train mode."""
        return self.drops is not None and self.drops(config)

    def takes_labels(self, config: Config) -> bool:
        """Return whether a network of these settings takes labels, where the data have classes."""
        return self.follows_labels is not None and self.follows_labels(config)

    def check_usage(self, config: Config, usage: ModelUsage) -> None:
        """Call `check`. Raises: UserError where the settings do not fit the data."""
        if self.check:
            Target[Callable[[Config, ModelUsage], None]](self.check).load(where=self._field("check"))(config, usage)


@dataclass(frozen=True)
class Method(Component):
    """`build(config, task)` returns a `harness.training.method.FinetuneMethod`.

    Args:
        needs: names of the capabilities that the model must provide. Cells of other models are skipped, with the reason.
        trains: False for a method that leaves the base as it is: such a method gets no steps.
        from_scratch: True when the method can also pretrain a base from random weights.
        accumulates: True when a step follows `task.micro_batches`. Other methods are skipped where a board sets `micro_batch`.
        augments: True when all that a step does with its batch is to minimise `micro_batches.training_losses`, which tell the
            network how images were augmented. Other methods are skipped where a board sets `augment`.
        sees_data: False when a step takes nothing from its batch of real examples: no row of it then has `flip`.
        check: target of a function `(config, usage: MethodUsage)`, without torch, that is called when a board is read. It raises
            UserError where the method cannot run on this model and this data, beyond `needs`; the cells are then skipped, and
            the text of the error is the reason in the table. Empty: `needs` says all.
        merges: names of settings that `result` alone reads. Cells that differ in these settings alone, or in `training: select`,
            share one training: its weights are kept at each point of the curve, and `result` of each cell's own method is called
            on them. That method is new, made on the base: `result` must depend on nothing that a step changes.
    """

    kind = "method"
    _: KW_ONLY
    needs: frozenset[str] = frozenset()
    trains: bool = True
    from_scratch: bool = False
    accumulates: bool = False
    augments: bool = False
    sees_data: bool = True
    check: str = ""
    merges: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if unknown := self.merges - self.config.model_fields.keys():
            raise ValueError(f"method {self.name}: merges names no setting by {', '.join(sorted(unknown))}")

    def create(self, config: Config, task: Task) -> FinetuneMethod:
        """Build the method in its initial state. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config, "Task"], "FinetuneMethod"]](self.build).load(where=self._field("build"))(config, task)
        conforming(built, TakesSteps, where=self._where)
        return built

    def check_usage(self, config: Config, usage: MethodUsage) -> None:
        """Call `check`. Raises: UserError where the method cannot run on this model and this data."""
        if self.check:
            Target[Callable[[Config, MethodUsage], None]](self.check).load(where=self._field("check"))(config, usage)


@dataclass(frozen=True)
class Sampler(Component):
    """`build(config)` returns a `harness.interfaces.SampleFunction`.

    Args:
        needs: names of the capabilities that the model must provide.
        draws_tokens: True when what it builds is a `harness.interfaces.TokenSampler`.
        check: target of a function `(config, usage: SamplerUsage)` that is called before any work, for each base that the sampler
            draws from. It raises UserError where these settings do not fit the network, such as more steps than its chain has.
            Empty: all settings fit every network that provides `needs`.
        formula: function `(config)`, without torch, that returns as text how guidance combines the outputs of the networks.
            Records keep the text, because papers mean different things by the same guidance scale. None: no guidance.
    """

    kind = "sampler"
    _: KW_ONLY
    needs: frozenset[str] = frozenset()
    draws_tokens: bool = False
    check: str = ""
    formula: Callable[[Config], str] | None = None

    def create(self, config: Config) -> SampleFunction:
        """Build the sampler. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config], SampleFunction]](self.build).load(where=self._field("build"))(config)
        return conforming(built, SampleFunction, where=self._where)

    def check_usage(self, config: Config, usage: SamplerUsage) -> None:
        """Call `check`. Raises: UserError where the settings do not fit the network."""
        if self.check:
            Target[Callable[[Config, SamplerUsage], None]](self.check).load(where=self._field("check"))(config, usage)


@dataclass(frozen=True)
class Dataset(Component):
    """`build(config)` returns a `harness.interfaces.DataSource`.

    Args:
        spec: target of a function `(config)`, without torch, that returns the DataSpec without reading data, for checks before
            any work; None where only the data tell. Empty: always so.
        stratified: function `(config)`, without torch, that returns in a few words how draws are more alike than independent ones
            of the same distribution; "" where they are independent, or chosen from a fixed set without regard to what they are.
            The page then says that no model reaches the floor. None: never.
        held_out: function `(config)`, without torch, that returns the number of held-out examples that all draws are taken from,
            and 0 where each draw has examples of its own; None where only the data tell. Tests against the floor take it where
            a record does not say it, as those of older versions do not. None: only the data tell.
        made_up: function `(config)`, without torch, that returns whether the examples are made up, in the place of files that a
            smoke run does without. A board may not ask for such examples; `smoke` does, and pages and the terminal say so.
            None: never.
        archives: published archives and folders of which `harness import` makes the store of the dataset: the name of each, and
            in a few words where a user gets it.
    """

    kind = "dataset"
    _: KW_ONLY
    spec: str = ""
    stratified: Callable[[Config], str] | None = None
    held_out: Callable[[Config], int | None] | None = None
    made_up: Callable[[Config], bool] | None = None
    archives: Mapping[str, str] = field(default_factory=dict)

    def create(self, config: Config) -> DataSource:
        """Build the dataset. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config], DataSource]](self.build).load(where=self._field("build"))(config)
        return conforming(built, DataSource, where=self._where)

    def stratification(self, config: Config) -> str:
        """Return how draws are more alike than independent ones, in a few words; "" where they are not."""
        return "" if self.stratified is None else self.stratified(config)

    def known_held_out(self, config: Config) -> int | None:
        """Call `held_out`. Returns: None where only the data tell."""
        return None if self.held_out is None else self.held_out(config)

    def known_largest_draw(self, config: Config) -> int | None:
        """Return how many examples an evaluation draw has at most; None without a limit, and where only the data tell."""
        held_out = self.known_held_out(config)
        return held_out // 2 if held_out else None  # draws 2k and 2k + 1 are halves

    def is_made_up(self, config: Config) -> bool:
        """Return whether the examples are made up, for a smoke run."""
        return self.made_up is not None and self.made_up(config)

    def known_spec(self, config: Config) -> DataSpec | None:
        """Call `spec`. Returns: None where only the data tell."""
        if not self.spec:
            return None
        return Target[Callable[[Config], DataSpec | None]](self.spec).load(where=self._field("spec"))(config)


FEATURE_NEEDS: Mapping[str, str] = {
    "moments": "features",
    "features": "features",
    "logits": "logits",
    "spatial": "spatial",
}
"""Maps each thing that a metric may need to the extractor's output that it is made from. `moments` stands for the mean and the
covariance of the output `features`, and `spatial` for those of the output `spatial`. `features` and `logits` stand for the
outputs themselves, one row for each image."""


@dataclass(frozen=True)
class Metric(Component):
    """`build(config)` returns a `MetricFunction`, or a `FeatureMetricFunction` when the metric compares features.

    Args:
        higher_is_better: True when larger values are better. Tables draw their arrow so, and the best weights are chosen so.
        unit: unit of the value, where it has one.
        lowest, highest: the least and the largest value that the metric can have; None: no bound. A value outside of its range,
            by more than rounding, is refused wherever it is met: as a metric's result, in a runs folder, in a record.
        needs_features: names out of FEATURE_NEEDS; empty for a metric of the samples themselves.
        needs_reference: names out of FEATURE_NEEDS that the metric needs of the real images, where these are fewer than it needs
            of the generated ones; None stands for `needs_features`.
        check: target of a function `(config, usage: MetricUsage)`, without torch, that is called when a board is read. It raises
            UserError when the metric cannot be computed from these sets, and the message says which sets will do. Empty: all do.
        ranks: False for a value, such as a standard error, of which neither a high nor a low value is better.
        repeats_in_any_order: False when the value depends on the order of the images, through subsets or splits.
    """

    kind = "metric"
    _: KW_ONLY
    higher_is_better: bool = False
    unit: str = ""
    lowest: float | None = None
    highest: float | None = None
    needs_features: frozenset[str] = frozenset()
    needs_reference: frozenset[str] | None = None
    check: str = ""
    ranks: bool = True
    repeats_in_any_order: bool = True

    def __post_init__(self) -> None:
        wrong = (self.needs_features | self.real_needs) - FEATURE_NEEDS.keys()
        if wrong:
            named, known = ", ".join(sorted(wrong)), ", ".join(FEATURE_NEEDS)
            raise ValueError(f"metric {self.name}: no features are called {named}; there are {known}")

    def create(self, config: Config) -> MetricFunction:
        """Build a metric of the samples themselves. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config], MetricFunction]](self.build).load(where=self._field("build"))(config)
        return conforming(built, MetricFunction, where=self._where)

    def create_on_features(self, config: Config) -> FeatureMetricFunction:
        """Build a metric that compares features. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config], FeatureMetricFunction]](self.build).load(where=self._field("build"))(config)
        return conforming(built, FeatureMetricFunction, where=self._where)

    def check_usage(self, config: Config, usage: MetricUsage) -> None:
        """Call `check`. Raises: UserError when the metric cannot be computed from these sets."""
        if self.check:
            Target[Callable[[Config, MetricUsage], None]](self.check).load(where=self._field("check"))(config, usage)

    @property
    def real_needs(self) -> frozenset[str]:
        """The features that the metric needs of the real images."""
        return self.needs_features if self.needs_reference is None else self.needs_reference


@dataclass(frozen=True)
class Extractor(Component):
    """`build(config)` returns a `harness.interfaces.FeatureExtractor`.

    A smoke run takes random features in the place of an extractor with `check_ready` or `files`, so that it needs no file.

    Args:
        outputs: dimension of each output by name, equal to `outputs` of the built object. Boards are checked with it before the
            extractor is built. `features` is always present; `logits` (of classes) and `spatial` (of positions) are optional. The
            contract of `harness.interfaces.FeatureExtractor` says in which order the numbers of `spatial` are.
    """

    kind = "extractor"
    _: KW_ONLY
    outputs: Mapping[str, int]

    def create(self, config: Config) -> FeatureExtractor:
        """Build the extractor. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config], FeatureExtractor]](self.build).load(where=self._field("build"))(config)
        return conforming(built, FeatureExtractor, where=self._where)


@dataclass(frozen=True)
class Executor(Component):
    """`build(config)` returns a `harness.interfaces.JobExecutor`.

    Args:
        has_queue: whether jobs wait in the queue of a cluster. Then a run hands all of them out at once, unless `--jobs` says how
            many, and hands out no job of a base that is already there: it would wait in the queue to do nothing.
    """

    _: KW_ONLY
    has_queue: bool = False
    kind = "executor"

    def create(self, config: Config) -> JobExecutor:
        """Build the executor. Raises: UserError when the target builds something else."""
        built = Target[Callable[[Config], JobExecutor]](self.build).load(where=self._field("build"))(config)
        return conforming(built, JobExecutor, where=self._where)


@dataclass(frozen=True)
class Tracker(Component):
    """`build(config, run: harness.tracking.TrackedRun)` opens a run and returns a `harness.tracking.RunTracker`.

    The constructor is called in a thread of the process that trains, before the first line of the run.
    """

    kind = "tracker"

    def create(self, config: Config, run: TrackedRun) -> RunTracker:
        """Open a run. Raises: UserError when the target builds something else; what the target raises."""
        built = Target[Callable[[Config, TrackedRun], RunTracker]](self.build).load(where=self._field("build"))(config, run)
        return conforming(built, RunTracker, where=self._where)


KINDS: Mapping[str, type[Component]] = {
    kind.kind: kind for kind in (Model, Method, Metric, Extractor, Dataset, Sampler, Executor, Tracker)
}
