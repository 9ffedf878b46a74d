"""Every installed method, on every installed model that provides what it needs, found by entry point."""

from __future__ import annotations

import dataclasses

import pytest

from harness.components import Method, Model, Sampler
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.testing.methods import Bench, check_method
from harness.testing.models import build, buildable_spec
from harness.testing.probes import examples
from harness.testing.task import InMemoryTask

STEPS = 11  # two generator phases of SFT-PG and one step more; uneven rounds where a method has rounds


def pairs() -> list[tuple[str, str]]:
    """All (method, model) names where the model provides what the method needs."""
    return [
        (name, model)
        for name, method in registry().all("method").items()
        for model, provided in registry().all("model").items()
        if method.component.needs <= provided.component.provides  # type: ignore[attr-defined]
    ]


def usual_data(method: Method, model: Model) -> DataSpec:
    """What the model is built for; a Gaussian chain takes no labels."""
    spec = buildable_spec(model, model.config(**model.smoke))
    return dataclasses.replace(spec, classes=0) if "Transitions" in method.needs else spec


def tiny_task(model: Model, spec: DataSpec) -> InMemoryTask:
    """A task on this model with weights from a fixed seed, and its native sampler."""
    sampler = registry().get(Sampler, model.sampler, where="test")
    config = model.config(**model.smoke)
    sample = sampler.load()(sampler.config(**sampler.smoke))
    return InMemoryTask(build(model, config, spec), spec, sample, steps=STEPS, batch=8)


@pytest.mark.parametrize(("method", "model"), pairs())
def test_a_method_keeps_the_contract_on_every_model_that_has_what_it_needs(method: str, model: str) -> None:
    component = registry().get(Method, method, where="test")
    network = registry().get(Model, model, where="test")
    spec = usual_data(component, network)
    check_method(
        Bench(component, component.config(**component.smoke), lambda: tiny_task(network, spec), Batch(*examples(spec, n=64)))
    )
