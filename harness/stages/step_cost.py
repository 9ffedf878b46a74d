"""Memory and operations of a training step and of a sample, found with a network at its full size on the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from harness.board.bases import Network
from harness.board.components import Resolved
from harness.capabilities import Trains, WorksInLatents
from harness.components import Method, Sampler
from harness.errors import in_one_line
from harness.interfaces import DataSpec
from harness.process.inference_precision import Precision
from harness.sampling.counting import EvaluationCounter
from harness.sampling.drawing import extra_networks
from harness.stages.meta_recorder import META, MetaRecorder, TooManyOperations, recording, repeating
from harness.stages.meta_task import MetaTask, examples_on_meta, network_on_meta, sampler_on_meta
from harness.streams import SampleStreams, seeded
from harness.training.config import TrainingConfig
from harness.training.optimizer import Optimizer, OptimizerConfig
from harness.training.precision import autocast

SAMPLES = 2
"""Samples that are drawn on the meta device; what is drawn of more of them takes as many times that."""
LONGEST_PERIOD = 20
"""Steps after which a method does again what it has done, at most: so many are taken."""

Flops = Mapping[Precision, float]


@dataclass(frozen=True)
class NetworkSize:
    """The size of a network.

    Args:
        parameters: number of trainable scalars.
        weight_bytes: bytes of all weights, trainable or not.
        kept_bytes: bytes that encoding keeps of each training example, for a network that works in latents; else 0.
    """

    parameters: int
    weight_bytes: int
    kept_bytes: int = 0


@dataclass(frozen=True)
class StepCost:
    """Memory and operations of a training step.

    Args:
        examples: training examples that went through the network at once.
        state_bytes: what stays between steps: weights, gradients, the optimiser's state, references, other networks, banks.
        peak_bytes: the largest memory within a step, the state included.
        flops: operations of a step for each training example.
        launches: operations of torch that a card gets for these examples, however many they are.
        banks: number of samples, and bytes, of each bank.
        reason: why it is that of the pretraining loss with Adam, and not of the method; then it is less than the method's.
    """

    examples: int
    state_bytes: int
    peak_bytes: int
    flops: Flops = field(default_factory=dict)
    launches: float = 0.0
    banks: tuple[tuple[int, int], ...] = ()
    reason: str = ""

    def with_banks_up_to(self, largest: float) -> StepCost:
        """Return what the step takes where banks of more bytes stay on the host (`harness.training.bank_rows`)."""
        elsewhere = sum(size for _, size in self.banks if size > largest)
        return replace(self, state_bytes=self.state_bytes - elsewhere, peak_bytes=self.peak_bytes - elsewhere)

    def of(self, examples: int) -> StepCost:
        """Return about what the step takes with another number of examples at once."""
        passing = (self.peak_bytes - self.state_bytes) * examples // self.examples
        return replace(self, examples=examples, peak_bytes=self.state_bytes + passing)


@dataclass(frozen=True)
class SamplingCost:
    """Memory and operations of drawing samples.

    Args:
        fixed_bytes: the weights of all networks.
        sample_bytes: memory of each sample that is drawn at once.
        flops: operations of a sample.
        nfe: network evaluations of a sample.
        launches: operations of torch that a card gets for the samples drawn at once, however many they are.
    """

    fixed_bytes: int
    sample_bytes: int
    flops: Flops
    nfe: float
    launches: float = 0.0


def network_size(network: Network, data: DataSpec) -> NetworkSize:
    """Return the size of a network. data: what the board's dataset holds. Raises: what plugins raise where it cannot be built."""
    module, _ = network_on_meta(network, data)
    parameters = sum(value.numel() for value in module.parameters() if value.requires_grad)
    kept = 0
    if isinstance(module, WorksInLatents):
        with torch.no_grad():
            kept = module.encode_images(torch.empty(1, *network.spec_on(data).shape, device=META)).nbytes
    return NetworkSize(parameters, sum(value.nbytes for value in module.state_dict().values()), kept)


def step_cost(
    network: Network, data: DataSpec, method: Resolved[Method], training: TrainingConfig, sampling: Precision, *, has_banks: bool
) -> StepCost | str:
    """Take steps of a method, or one of the pretraining loss where the method cannot compute without values.

    Args:
        data: what the board's dataset holds.
        sampling: precision of what the method draws.
        has_banks: whether the method can draw samples, which pretraining cannot.
    Returns: the costs, or why they are not known.
    """
    try:
        return _of_method(network, data, method, training, sampling, has_banks=has_banks)
    except Exception as error:
        reason = in_one_line(error)
    return loss_cost(network, data, training, reason)


def loss_cost(network: Network, data: DataSpec, training: TrainingConfig, reason: str) -> StepCost | str:
    """Take a step of the pretraining loss with Adam. Returns: the costs, or why they are not known."""
    try:
        return _of_loss(network, data, training, reason)
    except Exception as error:
        return in_one_line(error)


def _of_method(
    network: Network, data: DataSpec, method: Resolved[Method], training: TrainingConfig, sampling: Precision, *, has_banks: bool
) -> StepCost:
    module, spec = network_on_meta(network, data)
    recorder, examples = MetaRecorder(), training.micro_batch or training.batch
    recorder.hold(module)
    with recording(recorder), seeded(0):
        sampler = sampler_on_meta(network.sampler, module, spec, data, recorder) if has_banks else None
        task = MetaTask(module, spec, recorder, steps=training.steps, batch=examples, sampler=sampler, sampling=sampling)
        built = method.component.create(method.settings, task)
        period = int(getattr(built, "period", 1))
        if period > LONGEST_PERIOD:
            raise ValueError(f"it does again what it has done after {period} steps, which are not taken")
        with _SteadyPeak(recorder) as steady, autocast(META, training), repeating(module, recorder):
            batch = examples_on_meta(spec, examples)
            before = recorder.launches
            for index in range(period):
                built.step(batch, torch.Generator().manual_seed(index), index)
            del batch  # what stays is read below
        launches = recorder.launches - before
    flops = {kind: count / examples / period for kind, count in recorder.flops.items()}
    return StepCost(examples, recorder.bytes, steady.bytes, flops, launches / period, tuple(task.banks))


def _of_loss(network: Network, data: DataSpec, training: TrainingConfig, reason: str) -> StepCost:
    module, spec = network_on_meta(network, data)
    if not isinstance(module, Trains):
        raise TypeError("the network has no pretraining loss")
    recorder, examples = MetaRecorder(), training.micro_batch or training.batch
    recorder.hold(module)
    with recording(recorder), seeded(0):
        optimizer = Optimizer(OptimizerConfig(), module.parameters(), updates=1)
        with _SteadyPeak(recorder) as steady, autocast(META, training):
            before = recorder.launches
            batch = examples_on_meta(spec, examples)
            optimizer.update(module.training_loss(batch.x, batch.labels, torch.Generator().manual_seed(0)).mean())
            del batch  # what stays is read below
        launches = recorder.launches - before
    flops = {kind: count / examples for kind, count in recorder.flops.items()}
    return StepCost(examples, recorder.bytes, steady.bytes, flops, launches, reason=reason)


class _SteadyPeak:
    """The largest memory of steps like those in the block, had the optimisers their state from the start.

    An optimiser makes its state at its first update, after the largest memory of the first step. An update counts as one
    operation: on a card it is fused, and on the meta device it goes from parameter to parameter.
    """

    def __init__(self, recorder: MetaRecorder) -> None:
        self.bytes = 0
        self._recorder, self._state, self._segments = recorder, dict[int, int](), list[tuple[int, int]]()
        self._hooks: list[RemovableHandle] = []
        self._launched = 0

    def __enter__(self) -> Self:
        self._recorder.peak_bytes = self._recorder.bytes
        self._hooks = [register_optimizer_step_pre_hook(self._updating), register_optimizer_step_post_hook(self._updated)]
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        for hook in self._hooks:
            hook.remove()
        state = sum(self._state.values())
        self.bytes = max(peak + state - there for peak, there in self._segments)

    def _updating(self, *_: object) -> None:
        self._launched = self._recorder.launches
        self._close()

    def _updated(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        tensors = (value for of_one in optimizer.state.values() for value in of_one.values())
        self._recorder.launches = self._launched + 1
        self._state[id(optimizer)] = sum(value.nbytes for value in tensors if isinstance(value, Tensor) and value.is_meta)
        self._close()

    def _close(self, *_: object) -> None:
        """End a part of a step: the part before an update, or an update."""
        self._segments.append((self._recorder.peak_bytes, sum(self._state.values())))
        self._recorder.peak_bytes = self._recorder.bytes


def sampling_cost(network: Network, data: DataSpec, sampler: Resolved[Sampler], precision: Precision) -> SamplingCost | str:
    """Draw samples. Returns: the costs, or why they are not known."""
    try:
        return _of_samples(network, data, sampler, precision)
    except Exception as error:
        return str(error) if isinstance(error, TooManyOperations) else in_one_line(error)


def _of_samples(network: Network, data: DataSpec, sampler: Resolved[Sampler], precision: Precision) -> SamplingCost:
    module, spec = network_on_meta(network, data)
    recorder, counter = MetaRecorder(), EvaluationCounter()
    recorder.hold(module)
    with recording(recorder), seeded(0), ExitStack() as repeated:
        repeated.enter_context(repeating(module, recorder))
        function = sampler_on_meta(sampler, module, spec, data, recorder)
        others = [other for other in extra_networks(function) if other is not module]
        for other in others:
            repeated.enter_context(repeating(other, recorder))
        recorder.precision, recorder.peak_bytes, fixed = precision, recorder.bytes, recorder.bytes
        before = recorder.launches
        labels = torch.zeros(SAMPLES, dtype=torch.int64).to(META) if spec.classes else None
        with torch.no_grad(), counter.watching([module, *others]):
            drawn = function(module, spec, SampleStreams(0, "sample", range(SAMPLES), META), labels)
            if isinstance(module, WorksInLatents):
                module.decode_latents(drawn)
    flops = {kind: count / SAMPLES for kind, count in recorder.flops.items()}
    launches = recorder.launches - before
    return SamplingCost(fixed, (recorder.peak_bytes - fixed) // SAMPLES, flops, counter.examples / SAMPLES, launches)
