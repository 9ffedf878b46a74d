"""The objects that plugins build: one Protocol for each kind of component. Importing this module costs no torch.

A plugin's class derives from its Protocol and gets the Protocol's defaults, or it defines every member itself. The base class
of methods stands in `harness.training.method`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.jobs import Job as Job
from harness.jobs import JobEnd as JobEnd
from harness.jobs import JobExecutor as JobExecutor
from harness.jobs import QueueExecutor as QueueExecutor
from harness.jobs import Resources as Resources

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
        preview: how examples are shown: "points", or "images", whose values are in [-1, 1]. A sampler or a method of a model
            that works in latents gets "latents", which are not shown and have no range.
        class_counts: how often each class is generated, in proportion: such as the number of its training examples, where real
            draws have classes as they fall; (classes,) or empty, for every class equally often, as papers have it.
    """

    shape: tuple[int, ...]
    classes: int = 0
    preview: str = "points"
    class_counts: tuple[int, ...] = field(default=(), compare=False)


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
        """A hash of all examples: training examples, held-out ones, and those kept for the curve.

        Features of evaluation and selection sets are stored under it too. Draws without end follow from the settings and the
        version, which keys hold beside it: the hash is then of the training examples, and best of the first evaluation set too.
        """
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
class CountedSource(DataSource, Protocol):
    """A dataset whose draws are from fixed held-out examples, and whose `largest_evaluation` does not tell how many these are.

    Of every other dataset the number is twice `largest_evaluation`, since draws 2k and 2k + 1 are halves.
    """

    def held_out_examples(self) -> int | None:
        """Return the number of held-out examples that all draws are taken from; None where each draw has its own."""
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
    """The dimension D of each output by name: `features`; `logits` of classes and `spatial`, where the extractor has them.

    A distance to statistics in a file compares number with number. So an extractor whose network others publish statistics of
    gives its numbers in their order. That of ADM's files (`mu_s`, `sigma_s`) is row, column, channel: maps (B, C, H, W) become
    `maps.permute(0, 2, 3, 1).flatten(1)`. Elsewhere the order of `spatial` is the extractor's own, and never changes within a
    version.
    """

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
