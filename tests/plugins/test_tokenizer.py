"""Training tokenizers: images come back better, all codes find work, and nothing but the tokenizer moves."""

import pytest
import torch

from harness.components import Model
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.models import build
from harness.testing.task import InMemoryTask
from harness.weights.state_dicts import snapshot
from harness_tokenizer import TokenizerConfig
from harness_tokenizer.method import TrainTokenizer

SPEC = DataSpec((1, 8, 8), classes=2, preview="images")
SETTINGS = {
    "var": {"patch_nums": (1, 2, 4), "tokenizer": {"ch": 4, "ch_mult": (1, 1)}},
    "maskgit": {"input_size": 4, "tokenizer": {"ch": 4, "ch_mult": (1, 1)}},
    "maskgit, taming": {"generation": "v1", "input_size": 4, "tokenizer": {"ch": 4, "ch_mult": (1, 1), "layout": "taming"}},
}


def bars(n):
    """Images of one bright bar, at one of eight places, upright or lying."""
    place, lies = torch.arange(n) % 8, (torch.arange(n) // 8) % 2
    x = -torch.ones(n, 1, 8, 8)
    x[torch.arange(n), 0, place] = 1
    return torch.where(lies.view(-1, 1, 1, 1) == 1, x, x.mT)


def task_of(name, steps):
    component = registry().get(Model, name.split(",")[0], where="test")
    model = build(component, component.config(**SETTINGS[name]), SPEC)
    return InMemoryTask(model, SPEC, None, steps=steps, batch=32)


def train(task, **settings):
    method, x = TrainTokenizer(TokenizerConfig(**settings), task), bars(16)
    return [method.step(Batch(x), stream(0, "step", index), index) for index in range(task.steps)]


@pytest.mark.parametrize("name", SETTINGS)
def test_images_come_back_and_the_network_stays(name):
    task = task_of(name, 80)
    before = snapshot(task.model)
    logs = train(task, revive_every=5, optimizer={"lr": 1e-2})
    decoded = task.model.decode(task.model.encode(bars(16)))
    error = (decoded - bars(16)).square().mean()
    assert error < 0.3 * bars(16).var()  # a grey image has all of the variance
    assert logs[-1]["perplexity"] > 4
    moved = [key for key, value in snapshot(task.model).items() if not torch.equal(value, before[key])]
    assert moved
    assert all(key.startswith("tokenizer.") for key in moved)


@pytest.mark.parametrize("name", SETTINGS)
def test_codes_that_nothing_uses_move_to_latents(name):
    task = task_of(name, 1)
    with torch.no_grad():
        task.model.codebook[1:] = 100 * task.model.codebook[:1]  # far away, or for codes of unit length all the same
    terms = task.model.tokenizer_terms(bars(16))
    used = terms.tokens.unique()
    train(task, revive_every=1, optimizer={"lr": 1e-12})
    assert len(task.model.encode(bars(16)).unique()) > len(used)
    distance = torch.cdist(task.model.codebook.detach(), terms.latents.flatten(0, 1)).min(1).values
    idle = torch.ones(32, dtype=torch.bool)
    idle[used] = False
    assert (distance[idle] < 1e-3).all()


def test_without_revival_codes_stay_idle():
    task = task_of("var", 1)
    with torch.no_grad():
        task.model.codebook[1:] = 100
    before = task.model.codebook.detach().clone()
    train(task, revive_every=0, optimizer={"lr": 1e-12})
    assert torch.equal(task.model.codebook[1:], before[1:])


def test_the_loss_is_the_sum_of_its_parts():
    for kind in ("squared", "absolute"):
        task, x = task_of("maskgit", 1), bars(16)
        terms = task.model.tokenizer_terms(x)
        difference = (terms.reconstructed - x).detach()
        error = (difference.square() if kind == "squared" else difference.abs()).mean()
        (logged,) = train(task, reconstruction=kind, commitment=0.5, codebook=2.0)
        expected = error + 0.5 * terms.commitment.mean() + 2 * terms.codebook.mean()
        torch.testing.assert_close(logged["loss"], expected.detach())
        torch.testing.assert_close(terms.commitment, terms.codebook)  # one distance, with two gradients
