"""Draw samples in chunks, each sample from a random stream of its own, and count what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from harness.capabilities import TakesTokens
from harness.errors import Diverged, PluginFault
from harness.interfaces import Batch, DataSpec, GuidedSampler, SampleFunction, TokenSampler
from harness.process import stop
from harness.process.inference_precision import FULL, Precision, as_float32, computing_in
from harness.process.out_of_memory import advice, out_of_memory_advice
from harness.sampling import latents
from harness.sampling.counting import EvaluationCounter
from harness.streams import SampleStreams, stream
from harness.targets import class_path


@dataclass(frozen=True)
class DrawnSamples:
    """Samples and what they cost.

    Args:
        batch: the samples and their labels, on the CPU.
        evaluations: examples that went through networks, guidance networks included.
    """

    batch: Batch
    evaluations: int

    @property
    def nfe(self) -> float:
        """Network evaluations for each sample."""
        return self.evaluations / len(self.batch)


def sample_labels(seed: int, purpose: str, n: int, spec: DataSpec) -> torch.Tensor | None:
    """Return labels for n samples, (n,) int64, in random order; None without classes.

    Every class is there equally often, up to one sample, or in proportion to the spec's counts, up to rounding.
    """
    if spec.classes == 0:
        return None
    labels = torch.arange(n) % spec.classes
    if spec.class_counts:
        labels = torch.arange(spec.classes).repeat_interleave(_apportioned(n, spec.class_counts))
    return labels[torch.randperm(n, generator=stream(seed, f"{purpose}/labels"))]


def _apportioned(n: int, counts: Sequence[int]) -> torch.Tensor:
    """Return whole numbers in proportion to counts that add up to n, (len(counts),), by the largest remainders."""
    total = sum(counts)
    whole = torch.tensor([n * count // total for count in counts])
    remainders = torch.tensor([n * count % total for count in counts])
    rest = n - int(whole.sum())
    whole[remainders.argsort(descending=True, stable=True)[:rest]] += 1
    return whole


def batches(n: int, batch: int) -> Iterator[range]:
    """Yield the numbers of n samples, `batch` at a time: samples that are drawn so are those of one call bit for bit."""
    yield from (range(start, min(start + batch, n)) for start in range(0, n, batch))


def extra_networks(sampler: SampleFunction) -> list[torch.nn.Module]:
    """Return the networks that a sampler calls beside the model, each once."""
    if not isinstance(sampler, GuidedSampler):
        return []
    return list({id(network): network for network in sampler.networks.values()}.values())


def draw(
    sampler: SampleFunction,
    model: torch.nn.Module,
    spec: DataSpec,
    *,
    n: int,
    seed: int,
    purpose: str,
    batch: int,
    device: torch.device,
    indices: Sequence[int] | None = None,
    as_tokens: bool = False,
    precision: Precision = FULL,
) -> DrawnSamples:
    """Draw n samples of the model, or those of the n that `indices` names.

    Sample i depends on (seed, purpose, i), on n (through its label) and on the weights. It does not depend on `batch`, except
    that kernels round differently at different batch sizes.

    Args:
        spec: what the network generates; for a model that works in latents, `latents.network_spec`.
        purpose: name of the random streams.
        batch: largest number of samples drawn at once.
        indices: numbers, in [0, n), of the samples to draw, so that several devices can share the work; all n by default.
        as_tokens: whether the samples are tokens (n, L) int64 as drawn, in the place of decoded images.
        precision: in which the networks compute.
    Raises:
        UserError: the memory does not suffice.
        Diverged: some samples are not finite.
        PluginFault: the sampler gave no tensor, or one of another shape or dtype.
        Interrupted: a stop was requested; it is noticed between two chunks.
    """
    numbers = list(range(n)) if indices is None else list(indices)
    labels = sample_labels(seed, purpose, n, spec)
    if labels is not None and indices is not None:
        labels = labels[numbers]
    counter, chunks = EvaluationCounter(), list[torch.Tensor]()
    others = [network for network in extra_networks(sampler) if network is not model]
    with counter.watching([model, *others]):
        for start in range(0, len(numbers), batch):
            stop.check()
            chunk = slice(start, start + batch)
            streams = SampleStreams(seed, purpose, numbers[chunk], device)
            of_chunk = None if labels is None else labels[chunk].to(device)
            with out_of_memory_advice(_memory_advice(min(batch, len(numbers)), batch)), computing_in(precision, device):
                chunks.append(_chunk(sampler, model, spec, streams, of_chunk, as_tokens=as_tokens))
    samples = chunks[0] if len(chunks) == 1 else torch.cat(chunks)
    _check_finite(samples)
    return DrawnSamples(Batch(samples, labels), counter.examples)


@torch.no_grad()
def _chunk(
    sampler: SampleFunction,
    model: torch.nn.Module,
    spec: DataSpec,
    streams: SampleStreams,
    labels: torch.Tensor | None,
    *,
    as_tokens: bool,
) -> torch.Tensor:
    """Draw one sample for each stream, (n, …), float32, or its tokens; on the CPU. Raises: PluginFault if it is neither."""
    if as_tokens:
        return drawn_tokens(sampler, model, streams, labels).cpu()
    return checked_samples(sampler, sampler(model, spec, streams, labels), (len(streams), *spec.shape)).cpu()


def _memory_advice(tried: int, batch: int) -> str:
    """Return the advice to a user when so many samples at once do not fit into memory."""
    note = ", which gives the samples new keys, since kernels round by batch"
    return advice("evaluation: batch", tried, "sample", now=str(batch), note=note)


def checked_samples(sampler: SampleFunction, drawn: object, shape: tuple[int, ...]) -> torch.Tensor:
    """Return what a sampler gave; 16-bit floats, which autocast may give, as float32.

    Raises: PluginFault unless that is a float32 tensor of this shape.
    """
    if isinstance(drawn, torch.Tensor) and torch.is_autocast_enabled(drawn.device.type):
        drawn = as_float32(drawn)
    if fault := samples_fault(drawn, shape):
        raise PluginFault(f"sampler {class_path(sampler)}: {fault}")
    assert isinstance(drawn, torch.Tensor), "samples_fault has looked"
    return drawn


def drawn_tokens(
    sampler: SampleFunction, model: torch.nn.Module, streams: SampleStreams, labels: torch.Tensor | None
) -> torch.Tensor:
    """Return the tokens that a sampler draws, one sample for each stream, (n, L) int64.

    Raises: PluginFault unless the model takes tokens, and the sampler gives them in this form.
    """
    if not isinstance(model, TakesTokens) or not isinstance(sampler, TokenSampler):
        raise PluginFault(f"{class_path(sampler)} gives {class_path(model)} no tokens; ask `MethodUsage.lacks_tokens` first")
    tokens: object = sampler.tokens(model, streams, labels)
    shape = (len(streams), model.tokens_per_image)
    if not isinstance(tokens, torch.Tensor) or tokens.dtype != torch.int64 or tuple(tokens.shape) != shape:
        raise PluginFault(f"sampler {class_path(sampler)}: tokens must give a torch.int64 tensor of shape {shape}")
    return tokens


def samples_fault(drawn: object, shape: tuple[int, ...]) -> str | None:
    """Return what a sampler gave in the place of a float32 tensor of this shape, as one line; None when nothing is wrong."""
    must = f"it must give a torch.float32 tensor of shape {shape}"
    if not isinstance(drawn, torch.Tensor):
        return f"gave {'None' if drawn is None else f'a {type(drawn).__name__}'}; {must}"
    if tuple(drawn.shape) != shape or drawn.dtype != torch.float32:
        return f"gave a {drawn.dtype} tensor of shape {tuple(drawn.shape)}; {must}"
    return None


def _check_finite(samples: torch.Tensor) -> None:
    """Raises: Diverged, which says how many samples (n, …) are not finite."""
    if not torch.isfinite(samples).all():
        bad = int((~torch.isfinite(samples.flatten(1)).all(1)).sum())
        raise Diverged(f"{bad} of {len(samples)} samples are not finite")


def draw_decoded(
    sampler: SampleFunction,
    model: torch.nn.Module,
    spec: DataSpec,
    *,
    n: int,
    seed: int,
    purpose: str,
    batch: int,
    device: torch.device,
    indices: Sequence[int] | None = None,
    precision: Precision = FULL,
) -> DrawnSamples:
    """Draw samples like `draw`, then decode latents, so that the result has the dataset's shape.

    Samples that are drawn in parts, `batch` at a time from a multiple of `batch`, are those of one call bit for bit.

    Args:
        spec: the dataset's spec. The other arguments are those of `draw`.
    """
    seen = latents.network_spec(model, spec)
    drawn = draw(
        sampler,
        model,
        seen,
        n=n,
        seed=seed,
        purpose=purpose,
        batch=batch,
        device=device,
        indices=indices,
        precision=precision,
    )
    with out_of_memory_advice(_memory_advice(min(batch, len(drawn.batch)), batch)), computing_in(precision, device):
        decoded = latents.decode_samples(model, drawn.batch, size=batch, device=device)
    if tuple(decoded.x.shape) != (len(drawn.batch), *spec.shape):
        raise PluginFault(
            f"model {class_path(model)}: decode_latents gave images of shape {tuple(decoded.x.shape[1:])}; "
            f"it must give those of the data, {tuple(spec.shape)}"
        )
    _check_finite(decoded.x)
    return DrawnSamples(decoded, drawn.evaluations)
