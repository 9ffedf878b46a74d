"""A network and the task of a method on the meta device, where a step takes no memory."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness.board.bases import Network
from harness.board.components import Resolved
from harness.components import Sampler
from harness.interfaces import Batch, DataSpec, GuidedSampler, PreparedSampler, SampleFunction
from harness.process.inference_precision import Precision
from harness.sampling import latents
from harness.sampling.drawing import drawn_tokens
from harness.stages.meta_recorder import META, MOST_OPERATIONS, MetaRecorder, repeating
from harness.streams import SampleStreams, seeded

PREPARED_WITH = 16
"""Examples that a sampler is prepared with: what it then draws takes the same, however many there were."""
MOST_IN_PREPARING = 20_000
"""Operations that are followed while a sampler is prepared, which may train a network of its own."""


def network_on_meta(network: Network, data: DataSpec) -> tuple[nn.Module, DataSpec]:
    """Build a network at its full size on the meta device. Returns: it, in eval mode, and what it generates there.

    Args:
        data: what the board's dataset holds.
    Raises: UserError, and what plugins raise, where the network cannot be built there.
    """
    spec = network.spec_on(data)
    with META, seeded(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tokenizer that loads its own file warns that a meta tensor takes no values
        module = network.model.component.create(network.model.settings, spec)
    module = module.to("meta").eval()
    return module, latents.network_spec(module, spec)


def examples_on_meta(spec: DataSpec, n: int) -> Batch:
    """Return a batch of n examples without values, with their rows in a set."""
    labels = torch.zeros(n, dtype=torch.int64).to(META) if spec.classes else None
    return Batch(torch.empty(n, *spec.shape, device=META), labels, torch.arange(n).to(META))


def sampler_on_meta(
    sampler: Resolved[Sampler], model: nn.Module, spec: DataSpec, data: DataSpec, recorder: MetaRecorder
) -> SampleFunction:
    """Return a sampler that can draw from the network: with the networks that it calls, and prepared where it must be.

    Args:
        spec: what the network generates. data: what the board's dataset holds.
    """
    recorder.follow(MOST_IN_PREPARING)
    function = _with_networks(sampler, data)
    if isinstance(function, PreparedSampler) and function.needs_preparation:
        train = examples_on_meta(spec, PREPARED_WITH)
        prepared = function.prepare(model, spec, train, torch.Generator().manual_seed(0))
        function = _with_networks(sampler, data)
        assert isinstance(function, PreparedSampler)
        function.use({name: tensor.detach().cpu() for name, tensor in prepared.items()})
    recorder.follow(MOST_OPERATIONS)
    recorder.flops.clear()
    return function


def _with_networks(sampler: Resolved[Sampler], data: DataSpec) -> SampleFunction:
    function = sampler.component.create(sampler.settings)
    if isinstance(function, GuidedSampler):
        function.take_networks({base.name: network_on_meta(base.network, data)[0] for base in sampler.bases})
    return function


class MetaTask:
    """A `harness.training.method.Task` of tensors without values. Banks are not drawn; their sizes are noted.

    Args:
        model: the network, on the meta device.
        spec: what it generates.
        sampler: draws the samples of steps; None where there is none, in pretraining.
        sampling: precision in which they are drawn.
        banks: number of samples, and bytes, of each bank that the method asked for.
    """

    def __init__(
        self,
        model: nn.Module,
        spec: DataSpec,
        recorder: MetaRecorder,
        *,
        steps: int,
        batch: int,
        sampler: SampleFunction | None,
        sampling: Precision,
    ) -> None:
        self.model, self.spec, self.device = model, spec, META
        self.steps, self.batch = steps, batch
        self.banks: list[tuple[int, int]] = []
        self._recorder, self._sampler, self._sampling = recorder, sampler, sampling

    def micro_batches(self, n: int) -> list[slice]:
        """Cut nothing: the batch is one micro-batch."""
        return [slice(0, n)]

    def frozen_copy(self) -> nn.Module:
        """Copy the network, without gradients."""
        return copy.deepcopy(self.model).eval().requires_grad_(False)

    def bank(self, model: nn.Module, n: int, name: str, *, as_tokens: bool = False) -> Batch:
        """Return n samples, or their tokens, on the device, where banks lie."""
        bank = examples_on_meta(self.spec, n)
        if as_tokens:
            length = int(getattr(model, "tokens_per_image"))  # noqa: B009 - of the capability TakesTokens, on any module
            bank = Batch(torch.empty(n, length, dtype=torch.int64, device=META), bank.labels, bank.rows)
        self.banks.append((n, bank.x.nbytes))
        return bank

    @torch.no_grad()
    def sample(
        self, model: nn.Module, n: int, labels: Tensor | None, generator: torch.Generator, *, as_tokens: bool = False
    ) -> Tensor:
        """Draw n samples, or their tokens."""
        if self._sampler is None:
            raise RuntimeError("pretraining has no sampler: there is no model to draw from yet")
        streams = SampleStreams(int(torch.randint(2**62, (), generator=generator)), "sample", range(n), META)
        with self._sampling_now(), repeating(model, self._recorder):
            if as_tokens:
                return drawn_tokens(self._sampler, model, streams, labels)
            return self._sampler(model, self.spec, streams, labels)

    @contextmanager
    def _sampling_now(self) -> Iterator[None]:
        before, self._recorder.precision = self._recorder.precision, self._sampling
        try:
            yield
        finally:
            self._recorder.precision = before
