"""Cached likelihoods: the same numbers as without the cache, computed once, and back after a resume."""

import pytest
import torch
from torch import nn

from harness.components import Method, Model, Sampler
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.methods import Bench, check_resume_is_exact
from harness.testing.models import build
from harness.testing.task import InMemoryTask
from harness.training.cached_likelihood import CachedLikelihood
from harness.weights.state_dicts import snapshot


class Counted(nn.Module):
    """A likelihood that counts the examples it is asked for."""

    def __init__(self):
        super().__init__()
        self.scale, self.asked = nn.Parameter(torch.tensor(2.0, dtype=torch.float64)), 0

    def draw(self, x, generator):
        return None

    def log_likelihood(self, x, labels, draw):
        self.asked += len(x)
        extra = 0 if labels is None else labels
        return -self.scale * x.square().sum(1) + extra + (0 if draw is None else draw)


def data(n=10):
    return Batch(torch.randn(n, 3, generator=stream(0, "x"), dtype=torch.float64), torch.arange(n) % 2, torch.arange(n))


def test_values_are_those_of_the_model_and_each_row_is_asked_for_once():
    model, whole = Counted(), data()
    cached = CachedLikelihood(model)
    expected = model.log_likelihood(whole.x, whole.labels, None).detach()
    model.asked = 0
    for chosen in ([0, 1, 2], [2, 1, 5], [0, 5, 1], list(range(10))):
        index = torch.tensor(chosen)
        assert torch.equal(cached(whole[index], None, name="real"), expected[index])
    assert model.asked == 10


def test_another_label_set_or_draw_is_another_value():
    model, whole = Counted(), data()
    cached = CachedLikelihood(model)
    first = cached(whole, None, name="real")
    other = Batch(whole.x, 1 - whole.labels, whole.rows)
    assert not torch.equal(cached(other, None, name="real"), first)
    moved = Batch(whole.x + 1, whole.labels, whole.rows)
    assert not torch.equal(cached(moved, None, name="fake"), first)
    assert torch.equal(cached(whole, 1.0, name="real"), first + 1)  # a bound changes with its draw, and is never cached
    assert torch.equal(cached(whole, 2.0, name="real"), first + 2)


def test_without_rows_nothing_is_cached():
    model, whole = Counted(), data()
    cached = CachedLikelihood(model)
    for _ in range(2):
        cached(Batch(whole.x, whole.labels), None, name="real")
    assert model.asked == 20
    assert not cached.state_dict()


def test_forgetting_computes_anew_with_the_new_weights():
    model, whole = Counted(), data()
    cached = CachedLikelihood(model)
    before = cached(whole, None, name="real")
    with torch.no_grad():
        model.scale.fill_(3.0)
    assert torch.equal(cached(whole, None, name="real"), before)
    cached.forget()
    assert torch.equal(cached(whole, None, name="real"), model.log_likelihood(whole.x, whole.labels, None))


def test_cached_values_survive_a_checkpoint():
    model, whole = Counted(), data()
    cached, restored = CachedLikelihood(model), CachedLikelihood(model)
    first = cached(whole, None, name="real")
    restored.load_state_dict(cached.state_dict())
    model.asked = 0
    again = restored(whole, None, name="real")
    assert torch.equal(again, first)
    assert again.dtype == torch.float64
    assert model.asked == 0


def test_rows_without_labels_are_cached_too_and_a_disabled_cache_caches_nothing():
    model, whole = Counted(), data()
    unlabelled = Batch(whole.x, None, whole.rows)
    cached = CachedLikelihood(model)
    assert torch.equal(cached(unlabelled, None, name="real"), cached(unlabelled, None, name="real"))
    assert model.asked == 10
    assert cached.state_dict()["real"]["keys"][:, 1].tolist() == [-1] * 10
    disabled = CachedLikelihood(model, is_enabled=False)
    for _ in range(2):
        disabled(unlabelled, None, name="real")
    assert model.asked == 30
    assert disabled.state_dict() == {}


def test_values_carry_no_gradient():
    model, whole = Counted(), data()
    cached = CachedLikelihood(model)
    assert not cached(whole, None, name="real").requires_grad
    assert not cached(whole, 1.0, name="real").requires_grad


SPEC = DataSpec((1, 2, 2), classes=2, preview="images")


def token_task(steps=6):
    """A tiny VAR in float64, where batches of any size round alike to far below what training shows."""
    component = registry().get(Model, "var", where="test")
    settings = {
        "depth": 1,
        "embed_dim": 16,
        "num_heads": 2,
        "patch_nums": (1, 2),
        "tokenizer": {"vocab_size": 8, "ch_mult": (1,)},
    }
    model = build(component, component.config.model_validate(settings), SPEC).double()
    sampler = registry().get(Sampler, "var", where="test")
    return InMemoryTask(model, SPEC, sampler.create(sampler.config()), steps=steps, batch=4)


REAL = Batch(torch.randn(6, 1, 2, 2, generator=stream(0, "real")), torch.arange(6) % 2)
SETTINGS = {
    "ddo": {"beta": 1.0, "bank_size": 8, "rounds": 2, "optimizer": {"lr": 1e-2}},
    "ddo, as VAR": {
        "preset": "var", "beta": 1.0, "bank_size": 8, "fakes": "bank", "optimizer": {"lr": 1e-2},
    },
    "cca": {"beta": 1.0, "optimizer": {"lr": 1e-2}},
}  # fmt: skip


def bench(name):
    component = registry().get(Method, name.split(",")[0], where="test")
    return Bench(component, component.config(**SETTINGS[name]), token_task, REAL)


@pytest.mark.parametrize("name", SETTINGS)
def test_training_is_the_same_with_and_without_the_cache(name):
    ends, calls = [], []
    for is_enabled in (True, False):
        made = bench(name)
        task = made.task()
        method = made.build(task)
        method.reference_likelihood.is_enabled = is_enabled
        sizes = []
        method.reference.register_forward_pre_hook(lambda _, arguments, sizes=sizes: sizes.append(len(arguments[0])))
        made.take(method, 0, task.steps)
        ends.append(snapshot(task.model))
        calls.append(sum(sizes))
    for key, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][key], rtol=1e-9, atol=1e-9)
    assert calls[0] < calls[1]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_with_cached_values_resumes_exactly(name):
    check_resume_is_exact(bench(name), stops=[2, 4])
