"""Every installed method, on every installed model that provides what it needs, found by entry point."""

from __future__ import annotations

import dataclasses

import pytest

from harness.components import Method, Model, Sampler
from harness.config import Config
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.testing.methods import Bench, check_method
from harness.testing.models import build, buildable_spec
from harness.testing.probes import examples
from harness.testing.task import InMemoryTask

STEPS = 11  # two generator phases of SFT-PG and one step more; uneven rounds where a method has rounds
"""Where runs are stopped. On the first model of each method they are stopped after every step: the state is the method's own."""


def pairs() -> list[tuple[str, str]]:
    """All (method, model) names where the model provides what the method needs."""
    methods = [registry().get(Method, name, where="test") for name in registry().names("method")]
    models = [registry().get(Model, name, where="test") for name in registry().names("model")]
    return [(method.name, model.name) for method in methods for model in models if method.needs <= model.provides]


def usual_data(method: Method, model: Model) -> DataSpec:
    """What the model is built for; a Gaussian chain takes no labels."""
    spec = buildable_spec(model, model.config(**model.smoke))
    return dataclasses.replace(spec, classes=0) if "Transitions" in method.needs else spec


def tiny_task(model: Model, spec: DataSpec) -> InMemoryTask:
    """A task on this model with weights from a fixed seed, and its native sampler."""
    sampler = registry().get(Sampler, model.sampler, where="test")
    draws = sampler.create(sampler.config(**sampler.smoke))
    return InMemoryTask(build(model, model.config(**model.smoke), spec), spec, draws, steps=STEPS, batch=8)


def tiny_settings(method: Method) -> Config:
    """The settings of smoke runs, with a smaller bank: every check draws it anew."""
    bank = {"bank_size": 16} if "bank_size" in method.config.model_fields else {}
    return method.config(**{**method.smoke, **bank})


@pytest.mark.parametrize(("method", "model"), pairs())
def test_a_method_keeps_the_contract_on_every_model_that_has_what_it_needs(method: str, model: str) -> None:
    component = registry().get(Method, method, where="test")
    network = registry().get(Model, model, where="test")
    spec = usual_data(component, network)
    settings, real = tiny_settings(component), Batch(*examples(spec, n=64))
    # Whether a method resumes hangs on the method: on its first model it stops after every step, on the others after a few.
    is_first = (method, model) == next(pair for pair in pairs() if pair[0] == method)
    check_method(Bench(component, settings, lambda: tiny_task(network, spec), real), stops=None if is_first else (0, 6))
