"""Every installed method, on every installed model that provides what it needs, found by entry point."""

from __future__ import annotations

import pytest
import torch

from harness.components import Method, Model, Sampler
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.methods import Bench, check_method
from harness.testing.task import InMemoryTask

SPEC = DataSpec((2,))
STEPS = 11  # two generator phases of SFT-PG and one step more; uneven rounds where a method has rounds


def pairs() -> list[tuple[str, str]]:
    """All (method, model) names where the model provides what the method needs."""
    return [
        (name, model)
        for name, method in registry().all("method").items()
        for model, provided in registry().all("model").items()
        if method.component.needs <= provided.component.provides  # type: ignore[attr-defined]
    ]


def tiny_task(model: Model) -> InMemoryTask:
    """A task on this model with weights from a fixed seed, and its native sampler."""
    sampler = registry().get(Sampler, model.sampler, where="test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = model.load()(model.config(**model.smoke), SPEC)
    return InMemoryTask(network, SPEC, sampler.load()(sampler.config(**sampler.smoke)), steps=STEPS, batch=8)


@pytest.mark.parametrize(("method", "model"), pairs())
def test_a_method_keeps_the_contract_on_every_model_that_has_what_it_needs(method: str, model: str) -> None:
    component = registry().get(Method, method, where="test")
    network = registry().get(Model, model, where="test")
    real = Batch(torch.randn(64, *SPEC.shape, generator=stream(0, "real")))
    check_method(Bench(component, component.config(**component.smoke), lambda: tiny_task(network), real))
