"""Training tokenizers: images come back better, all codes find work, and nothing but the tokenizer moves."""

import math

import pytest
import torch

from harness.capabilities import TokenizerTerms
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


def no_sampler(*_):
    raise NotImplementedError


def task_of(name, steps):
    component = registry().get(Model, name.split(",")[0], where="test")
    model = build(component, component.config.model_validate(SETTINGS[name]), SPEC)
    return InMemoryTask(model, SPEC, no_sampler, steps=steps, batch=32)


def train(task, **settings):
    method, x = TrainTokenizer(TokenizerConfig(**settings), task), bars(16)
    return [method.step(Batch(x), stream(0, "step", index), index) for index in range(task.steps)]


@pytest.mark.parametrize("name", SETTINGS)
def test_images_come_back_and_the_network_stays(name):
    task = task_of(name, 50)
    before = snapshot(task.model)
    logs = train(task, revive_every=5, optimizer={"lr": 1e-2})
    decoded = task.model.decode(task.model.encode(bars(16)))
    error = (decoded - bars(16)).square().mean()
    assert error < 0.5 * bars(16).var()  # a grey image has all of the variance
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


class Codes(torch.nn.Module):
    """A tokenizer of four codes for images of one pixel: what it does with a batch is set by the test."""

    def __init__(self, tokens):
        super().__init__()
        self.codebook = torch.nn.Parameter(torch.arange(4.0)[:, None])
        self.tokens = torch.tensor(tokens)

    def tokenizer_parameters(self):
        return [self.codebook]

    def tokenizer_terms(self, x):
        latents = x.detach() + 10
        codes = self.codebook[self.tokens]
        distance = (codes - latents).square().flatten(1).mean(1)
        return TokenizerTerms(codes, distance * 0, distance, self.tokens[:, None], latents[:, None])


def step_of(tokens, **settings):
    model = Codes(tokens)
    task = InMemoryTask(model, DataSpec((1,)), no_sampler, steps=9, batch=len(tokens))
    method = TrainTokenizer(TokenizerConfig(optimizer={"lr": 1e-12}, **settings), task)
    x = torch.arange(float(len(tokens)))[:, None]
    return model, method, lambda index: method.step(Batch(x), stream(0, "step", index), index)


@pytest.mark.parametrize(("tokens", "perplexity"), [([0, 1, 2, 3], 4), ([2, 2, 2, 2], 1), ([0, 0, 3, 3], 2)])
def test_perplexity_is_the_number_of_codes_that_are_equally_in_use(tokens, perplexity):
    _, _, step = step_of(tokens)
    assert step(0)["perplexity"].item() == pytest.approx(perplexity)


def test_perplexity_by_hand_for_codes_in_unequal_use():
    _, _, step = step_of([0, 0, 0, 1])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert step(0)["perplexity"].item() == pytest.approx(math.exp(entropy))


def test_idle_codes_are_revived_every_so_many_steps_and_used_ones_stay():
    model, _, step = step_of([0, 0, 2, 2], revive_every=3)
    for index in range(2):
        step(index)
        torch.testing.assert_close(model.codebook.detach(), torch.arange(4.0)[:, None])
    step(2)
    torch.testing.assert_close(model.codebook.detach()[[0, 2]], torch.tensor([[0.0], [2.0]]))
    assert set(model.codebook.detach()[[1, 3]].flatten().tolist()) <= {10.0, 11.0, 12.0, 13.0}  # latents of the batch


def test_a_code_that_any_step_since_the_last_revival_used_is_not_idle():
    model, method, step = step_of([0, 1, 2, 2], revive_every=2)
    step(0)
    model.tokens = torch.tensor([3, 3, 3, 3])
    step(1)
    torch.testing.assert_close(model.codebook.detach(), torch.arange(4.0)[:, None])
    assert not method.state_dict()["used"].any()  # counted anew from here


def test_a_resume_knows_which_codes_were_used():
    _, method, step = step_of([0, 1, 1, 1], revive_every=5)
    step(0)
    other_model, other, other_step = step_of([3, 3, 3, 3], revive_every=5)
    other.load_state_dict(method.state_dict())
    assert other.state_dict()["used"].tolist() == [True, True, False, False]
    other_step(4)
    moved = ((other_model.codebook.detach() - torch.arange(4.0)[:, None]).abs() > 1e-6).flatten()
    assert moved.tolist() == [False, False, True, False]


def test_weights_of_the_terms_scale_the_loss():
    _, _, plain = step_of([0, 1, 2, 3], codebook=0.0)
    _, _, heavy = step_of([0, 1, 2, 3], codebook=2.0)
    reconstruction, loss = plain(0)["loss"].item(), heavy(0)["loss"].item()
    assert reconstruction == pytest.approx(0)  # image i is code i
    assert loss == pytest.approx(2 * 100)  # codes are 10 away from their latents
