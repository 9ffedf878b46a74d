"""Draw samples in chunks, each sample from its own stream, and count what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.errors import Diverged
from harness.interfaces import Batch, DataSpec, GuidedSampler, SampleFunction
from harness.process import stop
from harness.sampling import latents
from harness.sampling.counting import EvaluationCounter
from harness.streams import SampleStreams, stream


@dataclass(frozen=True)
class Drawn:
    """Samples on the CPU, and network evaluations a sample."""

    batch: Batch
    nfe: float


def balanced_labels(seed: int, purpose: str, n: int, classes: int) -> torch.Tensor | None:
    """(n,) labels, every class equally often (up to one), in a random order; None for unconditional data."""
    if classes == 0:
        return None
    labels = torch.arange(n) % classes
    return labels[torch.randperm(n, generator=stream(seed, f"{purpose}/labels"))]


def extra_networks(sampler: SampleFunction) -> list[torch.nn.Module]:
    """Networks beside the model that a sampler calls, each once."""
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
) -> Drawn:
    """n samples: sample i depends on (seed, purpose, i), n and the weights, not on `batch` (but for rounding).

    Args:
        batch: samples at once.
        indices: which of the n to draw, as one of several devices does; all by default. Noise and labels are those of the
            whole draw, whatever its share.
    Raises: Diverged for a sample that is not finite, ValueError for a sampler that gives another shape, Interrupted.
    """
    numbers = list(range(n)) if indices is None else list(indices)
    labels = balanced_labels(seed, purpose, n, spec.classes)
    if labels is not None and indices is not None:
        labels = labels[numbers]
    counter = EvaluationCounter()
    others = [network for network in extra_networks(sampler) if network is not model]
    handles = [counter.watch(network) for network in (model, *others)]
    parts: list[torch.Tensor] = []
    try:
        for start in range(0, len(numbers), batch):
            stop.check()
            chunk = slice(start, start + batch)
            streams = SampleStreams(seed, purpose, numbers[chunk], device)
            with torch.no_grad():
                x = sampler(model, spec, streams, None if labels is None else labels[chunk].to(device))
            if x.shape != (len(streams), *spec.shape):
                raise ValueError(f"the sampler gave {tuple(x.shape)}; expected {(len(streams), *spec.shape)}")
            parts.append(x.float().cpu())
    finally:
        for handle in handles:
            handle.remove()
    samples = torch.cat(parts)
    if not torch.isfinite(samples).all():
        bad = int((~torch.isfinite(samples.flatten(1)).all(1)).sum())
        raise Diverged(f"{bad} of {len(numbers)} samples are not finite")
    return Drawn(Batch(samples, labels), counter.examples / len(numbers))


def draw_data(
    sampler: SampleFunction,
    model: torch.nn.Module,
    spec: DataSpec,
    *,
    n: int,
    seed: int,
    purpose: str,
    batch: int,
    device: torch.device,
) -> Drawn:
    """As `draw`, of what the dataset holds, whose spec this is: what a model makes in latents is decoded."""
    space = latents.space(model, spec)
    drawn = draw(sampler, model, space, n=n, seed=seed, purpose=purpose, batch=batch, device=device)
    return Drawn(latents.decoded(model, drawn.batch, size=batch, device=device), drawn.nfe)
