"""The sampler of a base, ready to draw: with the networks it calls and what it needs to know about the base."""

from __future__ import annotations

import time
from pathlib import Path

from harness.board.bases import Base
from harness.interfaces import GuidedSampler, PreparedSampler, SampleFunction
from harness.sampling import drawing, latents
from harness.sampling.counting import EvaluationCounter
from harness.stages import base as base_stage
from harness.stages import context
from harness.stages import encoding as latent_stage
from harness.stages.context import Context
from harness.store import outputs
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.streams import stream
from harness.weights import state_dicts

PREPARED = "prepared.safetensors"


def sampler(base: Base, at: Context) -> SampleFunction:
    """The sampler of the base's cells. What it needs from the base is made once, whoever asks first."""
    function = context.sampler(base.network.sampler)
    if isinstance(function, GuidedSampler):
        source = context.dataset(base.dataset)
        function.take_networks(
            {one.name: base_stage.load(one, base_stage.run(one, at), source, at) for one in base.network.sampler.bases}
        )
    if (prepared := run(base, function, at)) is not None:
        assert isinstance(function, PreparedSampler)
        function.use(state_dicts.load(prepared.folder / PREPARED))
    return function


def run(base: Base, function: SampleFunction, at: Context) -> Output | None:
    """What the sampler keeps of the base; facts: seconds and network evaluations. None where it needs nothing."""
    if not (isinstance(function, PreparedSampler) and function.needs_preparation):
        return None
    at.reporter.stage("prepare")
    key = digest(stage="prepare", base=base.key, sampler=base.network.sampler.identity)
    return outputs.once(at.layout, "prepare", key, lambda folder: _prepare(base, function, at, folder))


def _prepare(base: Base, function: PreparedSampler, at: Context, folder: Path) -> dict[str, object]:
    source = context.dataset(base.dataset)
    network = base_stage.load(base, base_stage.run(base, at), source, at).requires_grad_(False)
    counter, started = EvaluationCounter(), time.perf_counter()
    for one in (network, *drawing.extra_networks(function)):
        counter.watch(one)
    kept = latent_stage.training_data(network, source, at)
    train = latents.drawn(network, kept, stream(base.network.seed, "prepare latents"))
    made = function.prepare(network, latents.space(network, source.spec), train, stream(base.network.seed, "prepare"))
    state_dicts.save({name: tensor.detach().cpu() for name, tensor in made.items()}, folder / PREPARED)
    return {"seconds": time.perf_counter() - started, "network_evaluations": counter.examples}
