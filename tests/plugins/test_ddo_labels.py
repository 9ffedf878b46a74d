"""DDO's fakes: new ones or those of a bank, their labels, and their tokens."""

from __future__ import annotations

import math

import pytest
import torch
from ddo_tasks import REAL, SPEC, Coin, Noisy, normal
from torch import Tensor, nn

from harness.components import Model
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.models import build
from harness.testing.task import InMemoryTask
from harness_ddo import DDOConfig
from harness_ddo.loss import ddo_loss
from harness_ddo.method import DDO
from harness_var import VARSamplerConfig
from harness_var.model import VAR
from harness_var.sampler import VARSampler


def test_online_fakes_are_new_in_each_step_and_fill_no_bank() -> None:
    drawn: list[Tensor] = []

    def sampler(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        drawn.append(normal(model, spec, streams, labels))
        return drawn[-1]

    task = InMemoryTask(Noisy(), SPEC, sampler, steps=2, batch=8)
    method = DDO(DDOConfig(fakes="online"), task)
    for index in range(2):
        method.step(REAL, stream(0, "t", index), index)
    assert [len(samples) for samples in drawn] == [8, 8]
    assert not torch.equal(*drawn)
    assert task.banks == {}


def test_online_fakes_without_a_rule_have_labels_of_their_own() -> None:
    task = labelled_task()
    DDO(DDOConfig(fakes="online"), task).step(LABELLED, stream(0, "t"), 0)
    real, fake = asked(task)
    torch.testing.assert_close(real, LABELLED.labels, rtol=0, atol=0)
    assert set(fake.tolist()) == {0, 1}
    assert not torch.equal(fake, real)


def test_rows_that_lost_their_label_weigh_more_and_have_no_fake() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 7.0])
    loss = ddo_loss(real, fake, alpha=3.0, beta=1.0, dropped=torch.tensor([False, True]))
    first = math.log(1 + math.exp(-2)) + 3 * math.log(1 + math.exp(0.5))
    assert loss.item() == pytest.approx((first + 3 * math.log(1 + math.exp(1))) / 2, rel=1e-6)
    nothing = ddo_loss(real, fake, alpha=3.0, beta=1.0, dropped=torch.tensor([False, False]))
    assert nothing == ddo_loss(real, fake, alpha=3.0, beta=1.0)


class Labelled(Coin):
    """A coin that says how it was asked; 2 stands for no label."""

    null_label = 2

    def __init__(self) -> None:
        super().__init__(0.5)
        self.asked: list[Tensor] = []

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        assert labels is not None
        self.asked.append(labels)
        return super().log_likelihood(x, labels, draw)


def labelled_task() -> InMemoryTask:
    def by_label(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        return labels[:, None].double()

    return InMemoryTask(Labelled(), DataSpec((1,), classes=2), by_label, steps=4, batch=64)


def asked(task: InMemoryTask) -> list[Tensor]:
    """The labels that the model of `labelled_task` was asked with, one tensor for each call."""
    assert isinstance(task.model, Labelled)
    return task.model.asked


LABELLED = Batch(torch.ones(64, 1).double(), (torch.arange(64) % 3 == 0).long())


@pytest.mark.parametrize("fakes", ["bank", "online"])
def test_fakes_carry_the_label_of_the_real_example_beside_them(fakes: str) -> None:
    task = labelled_task()
    DDO(DDOConfig(same_labels=True, fakes=fakes, bank_size=10), task).step(LABELLED, stream(0, "t"), 0)
    real, fake = asked(task)
    torch.testing.assert_close(real, LABELLED.labels, rtol=0, atol=0)
    torch.testing.assert_close(fake, LABELLED.labels, rtol=0, atol=0)
    assert bool(task.banks) == (fakes == "bank")


def test_a_dropped_label_is_that_of_no_class_in_both_halves() -> None:
    task = labelled_task()
    logged = DDO(DDOConfig(same_labels=True, drop_label=0.5, alpha=4.0, divide=True), task).step(LABELLED, stream(0, "t"), 0)
    real, fake = asked(task)
    dropped = real == 2
    assert 16 < dropped.sum() < 48
    assert torch.equal(real[~dropped], LABELLED.labels[~dropped])
    assert torch.equal(fake, real)
    share = dropped.double().mean().item()
    assert logged["loss"].item() == pytest.approx((4 * share + 5 * (1 - share)) * math.log(2) / 4)
    assert logged["cross_entropy"] == logged["cross_entropy_ref"] == pytest.approx(math.log(2))
    assert {"margin_dropped", "accuracy"} <= logged.keys()


def test_accuracy_margins_and_cross_entropies_are_those_of_the_pairs() -> None:
    """A coin that has moved from its reference: all values by hand, labelled pairs alone but in the cross-entropies."""
    task = labelled_task()
    method = DDO(DDOConfig(same_labels=True, fakes="online", drop_label=0.5, beta=1.0), task)
    with torch.no_grad():
        task.model.logit.fill_(math.log(3))  # 3/4 heads, against 1/2 of the reference
    faces = Batch((torch.arange(64) % 2).double()[:, None], LABELLED.labels)
    logged = method.step(faces, stream(0, "t"), 0)
    dropped = asked(task)[0] == 2
    ratios = torch.tensor([math.log(0.25 / 0.5), math.log(0.75 / 0.5)], dtype=torch.float64)
    real, fake = ratios[faces.x[:, 0].long()], ratios[LABELLED.labels]  # fakes show their label
    assert logged["accuracy"].item() == pytest.approx((real > fake)[~dropped].double().mean().item())
    assert logged["margin_real"].item() == pytest.approx(real[~dropped].mean().item())
    assert logged["margin_fake"].item() == pytest.approx(fake[~dropped].mean().item())
    assert logged["margin_dropped"].item() == pytest.approx(real[dropped].mean().item())
    assert logged["cross_entropy"].item() == pytest.approx(-(math.log(0.25) + math.log(0.75)) / 2)
    assert logged["cross_entropy_ref"].item() == pytest.approx(math.log(2))


class CountedVARSampler(VARSampler):
    """VAR's sampler, which notes the tokens that it draws."""

    def __init__(self) -> None:
        super().__init__(VARSamplerConfig())
        self.drawn: list[Tensor] = []

    def tokens(self, model: nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        self.drawn.append(super().tokens(model, streams, labels))
        return self.drawn[-1]


@pytest.mark.parametrize("samples_as", ["images", "tokens"])
@pytest.mark.parametrize("fakes", ["bank", "online"])
def test_fakes_of_a_token_model_are_decoded_and_encoded_again_or_stay_tokens(fakes: str, samples_as: str) -> None:
    spec = DataSpec((1, 4, 4), classes=3, preview="images")
    component = registry().get(Model, "var", where="test")
    settings = component.config.model_validate({"patch_nums": (1, 2, 4), "tokenizer": {"ch_mult": (1,), "vocab_size": 64}})
    model = build(component, settings, spec)
    assert isinstance(model, VAR)
    sampler, scored = CountedVARSampler(), []
    task = InMemoryTask(model, spec, sampler, steps=2, batch=8)
    config = DDOConfig.model_validate({"fakes": fakes, "samples_as": samples_as, "bank_size": 8, "same_labels": True})
    method = DDO(config, task)
    scores = model.token_log_probs
    model.token_log_probs = lambda tokens, labels: scored.append(tokens) or scores(tokens, labels)
    real = Batch(torch.randn(8, *spec.shape, generator=stream(0, "x")), torch.arange(8) % 3)
    method.step(real, stream(0, "t"), 0)
    sampled, (of_real, of_fake) = torch.cat(sampler.drawn), scored
    assert torch.equal(of_real, model.encode(real.x))
    again = model.encode(model.decode(sampled))
    assert not torch.equal(again, sampled)  # a random tokenizer does not give its tokens back, so the two can be told apart
    rows = {tuple(row) for row in (again if samples_as == "images" else sampled).tolist()}
    assert all(tuple(row) in rows for row in of_fake.tolist())
