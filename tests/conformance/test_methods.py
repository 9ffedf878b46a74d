"""Every installed method, on every installed model that provides what it needs, found by entry point."""

from __future__ import annotations

from functools import partial

import pytest

from harness.components import Method, Model
from harness.config import Config
from harness.interfaces import Batch
from harness.plugins import registry
from harness.testing.methods import Bench, check_method
from harness.testing.probes import examples
from harness.testing.suites import FEW_STEPS, STEPS, spec_for, tiny_task


def pairs() -> list[tuple[str, str]]:
    """All (method, model) names where the model provides what the method needs."""
    methods = [registry().get(Method, name, where="test") for name in registry().names("method")]
    models = [registry().get(Model, name, where="test") for name in registry().names("model")]
    return [(method.name, model.name) for method in methods for model in models if method.needs <= model.provides]


def tiny_settings(method: Method) -> Config:
    """The settings of smoke runs, with a smaller bank: every check draws it anew."""
    bank = {"bank_size": 16} if "bank_size" in method.config.model_fields else {}
    return method.config(**{**method.smoke, **bank})


@pytest.mark.parametrize(("method", "model"), pairs())
def test_a_method_keeps_the_contract_on_every_model_that_has_what_it_needs(method: str, model: str) -> None:
    component = registry().get(Method, method, where="test")
    network = registry().get(Model, model, where="test")
    spec = spec_for(component.needs, network)
    settings, real = tiny_settings(component), Batch(*examples(spec, n=64))
    # Whether a method resumes hangs on the method: on its first model it stops after every step, on the others once.
    is_first = (method, model) == next(pair for pair in pairs() if pair[0] == method)
    steps, stops = (STEPS, None) if is_first else (FEW_STEPS, (FEW_STEPS // 2,))
    check_method(Bench(component, settings, partial(tiny_task, network, spec, steps), real), stops=stops)
