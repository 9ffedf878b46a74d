"""Token models on labelled images of 28×28, as Fashion-MNIST has: a tokenizer that halves twice gives 7 tokens a side.

VAR has the scales 1, 2, 3, 4, 7 there. Both ways to keep guidance with DDO, and CCA, train both models.
"""

import pytest
import torch

from harness.capabilities import NullLabel, Tokens
from harness.components import Method, Model, Sampler
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.models import build
from harness.testing.task import InMemoryTask
from harness.weights.state_dicts import snapshot

SPEC = DataSpec((1, 28, 28), classes=10, preview="images")
HALVES_TWICE = {"ch": 8, "ch_mult": (1, 1, 1)}
MODELS = {
    "var": {"depth": 1, "embed_dim": 16, "num_heads": 2, "patch_nums": (1, 2, 3, 4, 7), "tokenizer": HALVES_TWICE},
    "maskgit": {"generation": "v1", "input_size": 7, "depth": 1, "hidden_dim": 16, "heads": 2, "tokenizer": HALVES_TWICE},
}
SAMPLERS = {
    "var": ("var", {"cfg": 1.5}),
    "maskgit": ("maskgit-confidence", {"w": 1.5, "steps": 3}),
}
TOKENS = {"var": 1 + 4 + 9 + 16 + 49, "maskgit": 49}
DDO = {"bank_size": 40, "same_labels": True, "divide": True, "optimizer": {"lr": 1e-3}}
METHODS = {
    "tokenizer": {},
    "ddo, unguided": {**DDO, "alpha": 2.0},
    "ddo, labels dropped": {**DDO, "alpha": 2.0, "drop_label": 0.5},
    "ddo, fakes as tokens": {**DDO, "samples_as": "tokens"},
    "cca": {"weight": 3.0, "optimizer": {"lr": 1e-3}},
}
EACH_MODEL = pytest.mark.parametrize("name", MODELS)


def model_of(name):
    component = registry().get(Model, name, where="test")
    return build(component, component.config.model_validate(MODELS[name]), SPEC)


def sampler_of(name):
    sampler, settings = SAMPLERS[name]
    component = registry().get(Sampler, sampler, where="test")
    return component.create(component.config.model_validate(settings))


@EACH_MODEL
def test_images_have_seven_tokens_a_side_and_guided_samples_their_shape(name):
    model = model_of(name)
    assert isinstance(model, Tokens)
    x = torch.rand(3, *SPEC.shape, generator=stream(0, "images")) * 2 - 1
    assert model.encode(x).shape == (3, TOKENS[name])
    drawn = sampler_of(name)(model, SPEC, SampleStreams(0, "sample", range(10)), torch.arange(10))
    assert drawn.shape == (10, *SPEC.shape)
    assert drawn.isfinite().all()


@EACH_MODEL
@pytest.mark.parametrize("method", METHODS)
def test_methods_train_under_guidance(name, method):
    component = registry().get(Method, method.split(",")[0], where="test")
    task = InMemoryTask(model_of(name), SPEC, sampler_of(name), steps=2, batch=20)
    before = snapshot(task.model)
    trained = component.create(component.config.model_validate(METHODS[method]), task)
    x = torch.rand(20, *SPEC.shape, generator=stream(0, "images")) * 2 - 1
    for index in range(2):
        logged = trained.step(Batch(x, torch.arange(20) % 10), stream(0, "step", index), index)
        assert all(value.isfinite() for value in logged.values())
    changed = {key for key, value in snapshot(task.model).items() if not torch.equal(value, before[key])}
    moves_the_tokenizer = {key.startswith("tokenizer.") for key in changed}
    assert moves_the_tokenizer == {method == "tokenizer"}
    assert isinstance(task.model, NullLabel)
