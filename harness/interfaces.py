"""The objects that plugins build: one Protocol for each kind of component. Importing this module costs no torch.

A plugin's class derives from its Protocol and gets the Protocol's defaults, or it defines every member itself. The base class
of methods stands in `harness.training.method`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from harness.features import FeatureSet
    from harness.streams import SampleStreams


@dataclass(frozen=True)
class DataSpec:
    """The examples of a dataset, which are what a model must generate.

    Args:
        shape: shape of one example: (2,) for points, (channels, height, width) for images.
        classes: number of labels; 0 means unconditional.
        preview: how examples are shown: "points" or "images".
    """

    shape: tuple[int, ...]
    classes: int = 0
    preview: str = "points"


@dataclass(frozen=True)
class Batch:
    """Examples and their labels: `x` (n, …) float32, `labels` (n,) int64 or None.

    Args:
        rows: (n,) int64, the index of each example in a fixed set (the training data, or a bank). With it, a value that was
            computed for an example can be cached. None where the examples come from no fixed set.
        augmentation: (n, A) float32, labels that say how each image was augmented, for the network; zero for an image as it is.
            None where images are not augmented in a way that the network is told of.
    """

    x: Tensor
    labels: Tensor | None = None
    rows: Tensor | None = None
    augmentation: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Tensor | slice) -> Batch:
        return self._each(lambda part: part[index])

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on `device`."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        beside = (None if part is None else change(part) for part in (self.labels, self.rows, self.augmentation))
        return Batch(change(self.x), *beside)


@runtime_checkable
class DataSource(Protocol):
    """A dataset. It gives the same data in every process, from fixed seeds or fixed files."""

    spec: DataSpec

    @property
    def fingerprint(self) -> str:
        """A hash of the training data. Two datasets with the same fingerprint hold the same training examples."""
        ...

    @property
    def largest_evaluation(self) -> int | None:
        """The largest n that `evaluation` can give; None (the default) for a dataset that draws without end.

        `harness measure` takes this number of images when the user names none.
        """
        return None

    def train(self) -> Batch:
        """Return all training examples."""
        ...

    def evaluation(self, draw: int, n: int) -> Batch:
        """Return evaluation set number `draw` >= 0 with n examples, apart from the training data and from other draws.

        Raises: ValueError when the dataset cannot give n. A run asks for the largest n of its board before it trains anything,
            and ends there with the text of the error.
        """
        ...


@runtime_checkable
class SelectionSource(DataSource, Protocol):
    """A dataset that can keep examples for the curve alone: they are in no evaluation set, and nobody trains on them."""

    @property
    def largest_selection(self) -> int | None:
        """The largest n that `selection` can give; None where its settings keep no examples for the curve.

        The curve then compares with evaluation sets whose numbers nothing else has, as with any other dataset. A dataset of a
        fixed number of examples takes these sets from the examples that it evaluates with.
        """
        ...

    def selection(self, draw: int, n: int) -> Batch:
        """Return selection set number `draw` >= 0 with n of the kept examples. Raises: ValueError when there are fewer."""
        ...


@runtime_checkable
class SampleFunction(Protocol):
    """A sampler: draws one sample for each stream, and uses no other randomness."""

    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Return samples (n, *spec.shape) with n = len(streams), on the device of the model, without gradients."""
        ...


@runtime_checkable
class TokenSampler(SampleFunction, Protocol):
    """A sampler of a model with the capabilities `Tokens` and `TakesTokens`, which gives samples as tokens too.

    A call gives the decoded images of these tokens.
    """

    def tokens(self, model: torch.nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Return the tokens of a sample for each stream, (n, L) int64, on the device of the model."""
        ...


@runtime_checkable
class PreparedSampler(SampleFunction, Protocol):
    """A sampler that measures or learns something on the base before it draws: statistics, a small head.

    The harness prepares the sampler once for each base, on the frozen weights of the base and with the training data. It
    keeps the result under the keys of the base and of the sampler, counts the cost, and uses the result for every fine-tuned
    model of that base.
    """

    @property
    def needs_preparation(self) -> bool:
        """False where the settings ask for no preparation; the harness then calls neither `prepare` nor `use`."""
        ...

    def prepare(self, model: torch.nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Measure or learn what the sampler needs, and return it.

        Args:
            model: the base, in eval mode. The sampler must not change it.
            train: the training examples; of a set of more than half a gigabyte, evenly spread ones.
            generator: the only source of randomness, on the CPU.
        """
        ...

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Take the tensors that `prepare` returned, in this run or in an earlier one. The tensors are on the CPU."""
        ...


@runtime_checkable
class GuidedSampler(SampleFunction, Protocol):
    """A sampler that calls other bases of the board beside the model. Their evaluations count like those of the model.

    The settings of the sampler name each base in a field of type `harness.inner_components.BaseName`.
    """

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        """The networks that `take_networks` took, by the names of their bases."""
        ...

    def take_networks(self, networks: Mapping[str, torch.nn.Module]) -> None:
        """Take the network of every base that the settings name, frozen, in eval mode. Called once, before the first draw."""
        ...


@runtime_checkable
class MetricFunction(Protocol):
    """A metric of the samples themselves: compares two sets."""

    def __call__(self, generated: Batch, real: Batch, generator: torch.Generator) -> Mapping[str, float]:
        """Return values by name. The first is the value of the metric, under the metric's own name."""
        ...


@runtime_checkable
class FeatureMetricFunction(Protocol):
    """A metric of features: compares the features of two sets of images."""

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """Return values by name, like a `MetricFunction`. The first is the value of the metric, under the metric's own name.

        The record holds the other values beside the first one.
        """
        ...


@runtime_checkable
class FeatureExtractor(Protocol):
    """A fixed network that turns images into features.

    The harness moves a `torch.nn.Module` to the device and sets it to eval mode. Images come on that device. Each row of
    features depends on its own image only.
    """

    preprocessing: str
    """One line that says what happens to an image before the network (resize, quantise, range). The line is part of the key:
    features under another line are other features."""
    weights_sha256: str
    """The hash of all weights and fixed constants, 64 hex digits, which stands in the record."""
    outputs: Mapping[str, int]
    """The dimension D of each output by name: `features`; `logits` of classes and `spatial`, where the extractor has them."""

    @property
    def images_on_cpu(self) -> int | None:
        """The largest batch that runs well on a CPU. Larger batches are cut into parts there. None (the default): no limit."""
        return None

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return every output by name, (B, D) float32, without gradients.

        Args:
            images: (B, C, H, W) uint8, of any height and width. C is 1 (grey) or 3 (colour). An extractor that takes both turns
                grey into three equal channels, or colour into grey by its own rule. Another extractor raises UserError.
        """
        ...


@runtime_checkable
class TakesSteps(Protocol):
    """The members of a method that the loop calls. Derive from `harness.training.method.FinetuneMethod`, which has them."""

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one step on a batch of real data; return scalars to log."""
        ...

    def result(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the weights to evaluate, given the trained ones."""
        ...

    def state_dict(self) -> dict[str, object]:
        """Return all state beside the model."""
        ...

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` gave."""
        ...


@dataclass(frozen=True)
class Resources:
    """Demands of a job on the machine that runs it; a field that is None asks for nothing, and the executor's own value holds.

    Resources say where a job can run. They are no part of what it computes, and of no key.

    Args:
        gpus: cards, at least 0.
        cpus: cores, at least 1.
        memory_gib: main memory in GiB, above 0.
        hours: longest time of one start of the job, above 0. A job that is stopped there goes on from its checkpoint when it
            is started again.
    """

    gpus: int | None = None
    cpus: int | None = None
    memory_gib: float | None = None
    hours: float | None = None

    def over(self, others: Resources) -> Resources:
        """Return these resources, with those of `others` where these are None."""
        return Resources(
            others.gpus if self.gpus is None else self.gpus,
            others.cpus if self.cpus is None else self.cpus,
            others.memory_gib if self.memory_gib is None else self.memory_gib,
            others.hours if self.hours is None else self.hours,
        )


@dataclass(frozen=True)
class Job:
    """A unit of work for an executor: the call `function(*arguments)`.

    The job can be pickled, and can run in any process that has access to the runs folder. A process of its own is what a job
    should have: what plugins do to the global state of a process must not reach the numbers of the next job.

    Args:
        imports: modules that the function imports. An executor that forks processes may import them beforehand.
        resources: what the job asks of its machine. An executor that cannot give it ignores it.
        key: text that is the same for every job that makes the same thing in the same runs folder, also one of another run. With
            it, an executor with a queue finds again what an earlier run has submitted. "" for a job that nobody else asks for.
        folder: the runs folder, which the machine of the job must see. An executor for other machines checks that before the
            job starts. A relative path begins in the working folder of the command.
    """

    name: str
    function: Callable[..., object]
    arguments: tuple[object, ...]
    imports: tuple[str, ...] = field(default=(), kw_only=True)
    resources: Resources = field(default=Resources(), kw_only=True)
    key: str = field(default="", kw_only=True)
    folder: Path | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class JobEnd:
    """The end of a job: the return value `value`, or, where the job's process died, the reason `death` as text.

    Args:
        death: one line; tables show it.
        is_lost: whether the machine went away under the job: its node failed, or the cluster took it back and did not start the
            job again. The run hands such a job out again, a few times. False for whatever the job did itself: what it raised,
            how it exited, memory that it took beyond its limit. Then `death` is its end, and nothing is tried again.
    """

    job: Job
    value: object = None
    death: str | None = None
    is_lost: bool = False


@runtime_checkable
class JobExecutor(Protocol):
    """An executor: runs jobs on some machine."""

    def run(self, ready: Callable[[Sequence[JobEnd]], Sequence[Job] | None], *, slots: int) -> None:
        """Run jobs until there are none.

        Call `ready` a few times a second, with the ends of the jobs that ended since the last call. Run the jobs that it
        returns, at most `slots` at a time. Return when it returns None, because no job is left.

        When `harness.process.stop.is_requested()`, start no further job and tell the running ones to stop; on SIGINT they write
        a checkpoint. Hand their ends to `ready`, and return. When `harness.process.stop.is_forced()`, kill the jobs at once.
        """
        ...


@runtime_checkable
class QueueExecutor(JobExecutor, Protocol):
    """An executor whose jobs wait in a queue outside of the command, and outlive the command.

    It keeps in a folder what it must find again: a job that an earlier run has submitted and that is not over counts as submitted
    (see `Job.key`), and is not submitted again.
    """

    def take_folder(self, folder: Path) -> None:
        """Take the executor's own folder in the runs folder, which need not exist yet. Called once, before `run`."""
        ...
