"""Every installed sampler, with every installed model that it can sample."""

import pytest

from harness.components import Model, Sampler
from harness.inner_components import sampler_needs
from harness.plugins import registry
from harness.testing.models import build
from harness.testing.samplers import check_sampler
from harness.testing.suites import spec_for

SAMPLERS = {name: registry().get(Sampler, name, where="test") for name in registry().names("sampler")}
MODELS = {name: registry().get(Model, name, where="test") for name in registry().names("model")}
PAIRS = [
    (sampler.name, model.name)
    for sampler in SAMPLERS.values()
    for model in MODELS.values()
    if sampler_needs(sampler, sampler.config()) <= model.provides
]


@pytest.mark.parametrize(("sampler", "model"), PAIRS)
def test_a_sample_depends_on_its_own_stream_only(sampler, model):
    component = MODELS[model]
    spec = spec_for(SAMPLERS[sampler].needs, component)
    check_sampler(SAMPLERS[sampler], build(component, component.config(**component.smoke), spec), spec)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_some_installed_model_can_be_sampled_by_it(sampler):
    assert sampler in {pair[0] for pair in PAIRS}


@pytest.mark.parametrize("model", MODELS)
def test_a_models_native_sampler_is_installed_and_can_sample_it(model):
    assert (MODELS[model].sampler, model) in PAIRS
