"""DDO: its loss by hand, its optimum, and its rounds."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from torch import Tensor, nn

from harness.components import Method, MethodUsage, Model, Sampler
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.methods import Bench, check_resume_is_exact
from harness.testing.models import build
from harness.testing.rounds import begin_round_where_due
from harness.testing.task import InMemoryTask
from harness.training.rounds import RoundSchedule
from harness.weights.state_dicts import snapshot
from harness_ddo import DDOConfig, check
from harness_ddo.loss import ddo_loss
from harness_ddo.method import DDO
from harness_var import VARSamplerConfig
from harness_var.model import VAR
from harness_var.sampler import VARSampler

SPEC = DataSpec((1,))


class Coin(nn.Module):
    """A biased coin with faces 0 and 1: an exact likelihood, so the draw is None."""

    def __init__(self, heads: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(math.log(heads / (1 - heads)), dtype=torch.float64))

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        return None

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return -nn.functional.softplus((1 - 2 * x[:, 0]) * self.logit)


class Noisy(nn.Module):
    """A normal density around a learned point, seen through the noise of the draw."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(x.shape, generator=generator)

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return -(x + draw - self.mean).square().sum(1)


def toss(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """Heads for the right share of the streams, to rounding: samples without sampling noise."""
    heads = round(model.logit.sigmoid().item() * len(streams))
    return torch.cat([torch.ones(heads, 1), torch.zeros(len(streams) - heads, 1)])


def normal(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    return model.mean.detach() + streams.normal(1)


def noisy_task(steps: int) -> InMemoryTask:
    return InMemoryTask(Noisy(), SPEC, normal, steps=steps, batch=8)


REAL = Batch(torch.linspace(1, 2, 8)[:, None])


def test_the_loss_of_two_ratios_is_what_the_formula_gives_by_hand() -> None:
    def sigmoid(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    loss = ddo_loss(torch.tensor([2.0]), torch.tensor([-1.0]), alpha=3.0, beta=0.5)
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0)) - 3 * math.log(1 - sigmoid(-0.5)), rel=1e-6)


def test_the_loss_stays_finite_where_the_sigmoid_saturates() -> None:
    assert ddo_loss(torch.tensor([-1e4]), torch.tensor([1e4]), alpha=1.0, beta=1.0).item() == 2e4


@pytest.mark.parametrize(("alpha", "n_mc"), [(1.0, 1), (4.0, 3)])
def test_where_the_model_is_its_reference_the_loss_is_one_plus_alpha_times_log_two(alpha: float, n_mc: int) -> None:
    logged = DDO(DDOConfig(alpha=alpha, bank_size=8, n_mc=n_mc), noisy_task(1)).step(REAL, stream(0, "t"), 0)
    assert logged["margin_real"] == logged["margin_fake"] == logged["logit_std"] == 0  # exactly, not about
    assert logged["loss"].item() == pytest.approx((1 + alpha) * math.log(2), rel=1e-6)  # the digits of float32


def gradient_at(heads: float, beta: float) -> float:
    """Derivative in the coin's logit of the expected loss, for data with 3/4 heads and a fair reference."""
    model, fair = Coin(heads), Coin(0.5)
    faces = torch.tensor([[1.0], [1.0], [1.0], [0.0]]).double(), torch.tensor([[1.0], [1.0], [0.0], [0.0]]).double()
    real, fake = (model.log_likelihood(x, None, None) - fair.log_likelihood(x, None, None).detach() for x in faces)
    ddo_loss(real, fake, alpha=1.0, beta=beta).backward()
    return model.logit.grad.item()


def test_the_gradient_vanishes_at_the_data_when_beta_is_one() -> None:
    assert abs(gradient_at(0.75, beta=1.0)) < 1e-12  # float64
    assert gradient_at(0.7, beta=1.0) < -1e-3  # below it, descent raises the share of heads
    assert gradient_at(0.8, beta=1.0) > 1e-3


def test_a_beta_below_one_goes_on_beyond_the_data() -> None:
    assert gradient_at(0.75, beta=0.5) < -1e-3


def test_training_reaches_the_data() -> None:
    task = InMemoryTask(Coin(0.5), SPEC, toss, steps=300, batch=64)
    method = DDO(DDOConfig(beta=1.0, bank_size=64, optimizer={"lr": 0.03, "decay": "linear"}), task)
    real = Batch(torch.cat([torch.ones(48, 1), torch.zeros(16, 1)]))
    for index in range(task.steps):
        method.step(real, stream(0, "t", index), index)
    # Fakes are drawn anew from the bank at each step: 64 coins leave noise of 0.06 on a step, averaged over the last
    # ones.
    assert task.model.logit.sigmoid().item() == pytest.approx(0.75, abs=0.03)


def test_each_round_has_a_reference_a_bank_and_an_optimiser_of_its_own() -> None:
    task = noisy_task(7)
    method = DDO(DDOConfig(rounds=3, beta=0.5, bank_size=8), task)
    starts, losses = {}, []
    for index in range(task.steps):
        before = snapshot(task.model)
        begin_round_where_due(method, index)
        losses.append(method.step(REAL, stream(0, "t", index), index)["loss"].item())
        if torch.equal(snapshot(method.reference)["mean"], before["mean"]):
            starts[index] = method.optimizer.updates
    assert starts == {0: 3, 3: 2, 5: 2}  # first steps and lengths of the rounds: 7 = 3 + 2 + 2
    assert [index for index, loss in enumerate(losses) if loss == 2 * torch.tensor(2.0).log().item()] == [0, 3, 5]
    assert {name for _, _, name in task.banks} == {"round-0", "round-1", "round-2"}
    assert method.optimizer.count == 2


WIDE = 100_003
"""Weights of a network whose copies are told from all other tensors by their size."""


class Wide(Noisy):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(WIDE))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return super().log_likelihood(x, labels, draw) + self.weight.sum() * x[:, 0]


def held() -> int:
    """Storages of the network's size that are alive."""
    # By type: isinstance would ask odd objects of other modules for their class.
    found = [one for one in gc.get_objects() if issubclass(type(one), Tensor) and one.numel() == WIDE]
    return len({one.untyped_storage().data_ptr() for one in [*found, *(one.grad for one in found if one.grad is not None)]})


def test_weights_and_reference_are_held_once_and_only_weights_have_gradients_and_moments() -> None:
    gc.collect()
    task = InMemoryTask(Wide(), SPEC, normal, steps=4, batch=len(REAL))
    method = DDO(DDOConfig(rounds=2, bank_size=8), task)
    assert held() == 2  # theta and its reference
    for index in range(task.steps):
        begin_round_where_due(method, index)
        method.step(REAL, stream(0, "t", index), index)
        if index not in (1, 3):  # the last step of each round: looking at all objects takes most of a second
            continue
        gc.collect()
        assert held() == 5  # and the gradient of theta and Adam's two moments, in the second round as in the first
        assert all(one.grad is None and not one.requires_grad for one in method.reference.parameters())


def step_in_micro_batches(micro_batch: int | None, **settings: object) -> tuple[dict[str, float], Tensor]:
    """What a step on eight pairs logs, and where it moves the weights, in micro-batches of this size."""
    task = InMemoryTask(Noisy(), SPEC, normal, steps=1, batch=8, micro_batch=micro_batch)
    method = DDO(DDOConfig(bank_size=8, beta=0.3, optimizer={"name": "sgd", "lr": 0.1}, **settings), task)
    with torch.no_grad():
        task.model.mean.add_(0.5)  # away from the reference, so that ratios are not 0
    logged = method.step(REAL, stream(0, "t"), 0)
    return {name: value.item() for name, value in logged.items()}, task.model.mean.detach()


@pytest.mark.parametrize("settings", [{}, {"n_mc": 3}, {"shared_draw": False}, {"n_mc": 2, "shared_draw": False}])
@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_micro_batches_change_neither_the_logs_nor_the_step(micro_batch: int, settings: dict[str, object]) -> None:
    whole, parts = step_in_micro_batches(None, **settings), step_in_micro_batches(micro_batch, **settings)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5, abs=1e-6)
    torch.testing.assert_close(parts[1], whole[1])


def test_the_step_is_a_step_of_gradient_descent_on_the_loss() -> None:
    """By hand: r(x) = -(x + e - m)² + (x + e)² at the shared noise e, with the reference at 0, and m = 1/2."""
    task = noisy_task(1)
    method = DDO(DDOConfig(bank_size=8, beta=0.3, optimizer={"name": "sgd", "lr": 0.1}), task)
    with torch.no_grad():
        task.model.mean.add_(0.5)
    generator = stream(0, "t")
    logged = method.step(REAL, generator, 0)
    (bank,) = task.banks.values()
    again = stream(0, "t")
    fakes = bank.x[torch.randint(8, (8,), generator=again)]
    noise = torch.randn(8, 1, generator=again)
    m = torch.tensor([0.5], requires_grad=True)
    ratios = [((x + noise).square() - (x + noise - m).square()).squeeze(1) for x in (REAL.x, fakes)]
    loss = ddo_loss(*ratios, alpha=1.0, beta=0.3)
    loss.backward()
    torch.testing.assert_close(logged["loss"], loss.detach())
    torch.testing.assert_close(task.model.mean.detach(), (m - 0.1 * m.grad).detach())
    torch.testing.assert_close(logged["logit_std"], (0.3 * torch.cat(ratios)).std(correction=0).detach())


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


def test_dividing_by_alpha_divides_the_loss_and_the_step() -> None:
    plain, divided = (step_in_micro_batches(None, alpha=4.0, divide=divide) for divide in (False, True))
    assert divided[0]["loss"] == pytest.approx(plain[0]["loss"] / 4)
    torch.testing.assert_close(divided[1] - 0.5, (plain[1] - 0.5) / 4)
    same = [step_in_micro_batches(None, alpha=0.5, divide=divide) for divide in (False, True)]
    assert same[0] == same[1]  # max(alpha, 1) is 1


def test_a_method_is_restored_in_the_round_that_it_was_saved_in() -> None:
    task = noisy_task(7)
    method = DDO(DDOConfig(rounds=3, bank_size=8), task)
    for index in range(4):
        begin_round_where_due(method, index)
        method.step(REAL, stream(0, "t", index), index)
    state = method.state_dict()
    assert state["round"] == 1
    other_task = noisy_task(7)
    other = DDO(DDOConfig(rounds=3, bank_size=8), other_task)
    other.load_state_dict(state)
    assert torch.equal(snapshot(other.reference)["mean"], snapshot(method.reference)["mean"])
    assert (other.optimizer.updates, other.optimizer.count) == (2, 1)  # steps 3 and 4; one of them is done
    other.step(REAL, stream(0, "t", 4), 4)
    assert {name for _, _, name in other_task.banks} == {"round-1"}


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_with_rounds_of_unequal_length_resumes_exactly(shared: bool) -> None:
    component = registry().get(Method, "ddo", where="test")
    config = DDOConfig(rounds=3, bank_size=8, shared_draw=shared, n_mc=2, optimizer={"warmup": 1.0})
    check_resume_is_exact(Bench(component, config, lambda: noisy_task(7), REAL))


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


def test_the_preset_fills_what_is_not_given_and_its_absence_changes_no_key() -> None:
    config = DDOConfig(preset="var", alpha=10.0)
    assert (config.alpha, config.beta, config.fakes, config.drop_label) == (10.0, 0.02, "online", 0.5)
    assert (config.optimizer.name, config.optimizer.lr) == ("adamw", 4e-6)
    later = {"preset", "fakes", "same_labels", "drop_label", "divide", "samples_as"}
    assert not later & DDOConfig().identity.keys()
    assert later <= config.identity.keys() | {"preset", "samples_as"}


def test_what_the_model_or_the_data_lack_is_a_reason_to_skip() -> None:
    models = {name: registry().get(Model, name, where="test") for name in ("edm-mlp", "var")}
    labels, none = DataSpec((1, 8, 8), classes=10), DataSpec((1, 8, 8))
    check(DDOConfig(), MethodUsage(models["edm-mlp"], none))
    check(DDOConfig(preset="var"), MethodUsage(models["var"], labels))
    tokens = DDOConfig(samples_as="tokens")
    samplers = {name: registry().get(Sampler, name, where="test") for name in ("var", "heun")}
    check(tokens, MethodUsage(models["var"], labels, samplers["var"]))
    with pytest.raises(UserError, match="edm-mlp lacks TakesTokens, which ddo needs for samples_as: tokens"):
        check(tokens, MethodUsage(models["edm-mlp"], labels))
    with pytest.raises(UserError, match="the sampler heun gives no tokens, which ddo needs for samples_as: tokens"):
        check(tokens, MethodUsage(models["var"], labels, samplers["heun"]))
    with pytest.raises(UserError, match="edm-mlp lacks NullLabel"):
        check(DDOConfig(drop_label=0.1), MethodUsage(models["edm-mlp"], labels))
    with pytest.raises(UserError, match="the data have no labels"):
        check(DDOConfig(same_labels=True), MethodUsage(models["var"], none))


def test_settings_of_older_boards_keep_their_identity() -> None:
    known = {"alpha", "beta", "rounds", "bank_size", "n_mc", "shared_draw", "optimizer"}
    assert DDOConfig(rounds=4, alpha=2, beta=0.3).identity.keys() == known
    optimizer = DDOConfig().identity["optimizer"]
    assert isinstance(optimizer, dict)
    assert optimizer.keys() == {"name", "lr", "betas", "weight_decay", "clip", "warmup", "decay"}


def test_what_is_set_beside_a_preset_wins_and_is_not_searched() -> None:
    config = DDOConfig(preset="edm-cifar10", alpha=2.0, optimizer={"lr": 1e-5})
    assert config.search_each_round == {"beta": (0.02, 0.05)}
    assert (config.optimizer.lr, config.optimizer.warmup) == (1e-5, 1.0)
    assert DDOConfig(preset="edm-cifar10", alpha=2.0, beta=0.05).search_each_round is None
    assert DDOConfig(preset="edm-cifar10", reference="last").search_each_round is None
    assert DDOConfig(preset="edm-cifar10", search_each_round={"beta": [0.1]}).search_each_round == {"beta": (0.1,)}


def test_presets_are_the_recipes_of_the_paper() -> None:
    cifar, small, large, var = (DDOConfig(preset=name) for name in ("edm-cifar10", "edm2-img64", "edm2-img512", "var"))
    assert [config.rounds for config in (cifar, small, large, var)] == [12, 24, 28, 1]
    assert [config.reference for config in (cifar, small, large, var)] == ["best", "best", "best", "last"]
    assert [config.bank_size for config in (cifar, small, large)] == [50_000] * 3
    assert (cifar.optimizer.lr, cifar.optimizer.warmup) == (1.5e-4, 1.0)
    assert small.optimizer.factor(12_499, 12_500) == pytest.approx(0.4)  # of the peak, at the end of a round
    p_std = [small.value("p_std", part) for part in RoundSchedule(24, 24).all]
    assert p_std == [1.6] * 16 + [3.0] * 8
    assert (var.optimizer.clip, var.optimizer.decay_1d) == (2.0, False)
    assert var.optimizer.factor(24, 98) == pytest.approx(1.0, abs=0.02)  # 25 steps: a fiftieth of an epoch of 1251
    assert var.optimizer.factor(0, 98) == pytest.approx(0.04, abs=0.001)


def usage(model: str) -> MethodUsage:
    return MethodUsage(registry().get(Model, model, where="test"), SPEC)


@pytest.mark.parametrize(("model", "settings", "text"), [
    ("var", {"weight": "elbo"}, "var lacks WeightedBound, which ddo needs for weight: elbo"),
    ("ddpm-mlp", {"p_std": 1.0}, "has steps in the place of noise levels sigma, which ddo needs for p_std"),
    ("ddpm-mlp", {"weight": "edm"}, "has steps in the place of noise levels sigma"),
    ("edm-mlp", {"weight": "elbo", "p_mean": {1: 0.0}}, "the bound has its own noise levels: leave p_mean out"),
    ("var", {"reference": "best", "search_each_round": {"p_std": [1.0]}}, "lacks WeightedBound"),
])  # fmt: skip
def test_a_weight_that_the_model_lacks_is_refused(model: str, settings: dict[str, object], text: str) -> None:
    with pytest.raises(UserError, match=text):
        check(DDOConfig.model_validate(settings), usage(model))


@pytest.mark.parametrize(("model", "settings"), [
    ("ddpm-mlp", {"weight": "elbo"}), ("ddpm-mlp", {"weight": "simple"}), ("edm-mlp", {"weight": "elbo"}),
    ("edm-mlp", {"weight": "edm", "p_mean": -0.4, "p_std": {1: 1.6, 2: 3.0}, "rounds": 2}), ("var", {}),
])  # fmt: skip
def test_a_weight_that_the_model_has_is_taken(model: str, settings: dict[str, object]) -> None:
    check(DDOConfig.model_validate(settings), usage(model))


def test_noise_levels_and_weight_of_a_round_are_the_settings_of_the_round() -> None:
    component = registry().get(Model, "edm-mlp", where="test")
    task = InMemoryTask(build(component, component.config(), DataSpec((2,))), DataSpec((2,)), of_origin, steps=2, batch=8)
    levels: list[float] = []  # noted by the reference too, which copies the hook
    task.model.register_forward_pre_hook(lambda _, given: levels.append(float(given[1].log().mean())))
    method = DDO(DDOConfig(rounds=2, bank_size=8, weight="simple", p_mean={1: -3.0, 2: 3.0}, p_std=0.01), task)
    real = Batch(torch.randn(8, 2, generator=stream(0, "x")))
    for index in range(2):
        begin_round_where_due(method, index)
        method.step(real, stream(0, "t", index), index)
    assert levels == pytest.approx([-3.0] * 4 + [3.0] * 4, abs=0.05)  # both halves of each step, theta and reference


def of_origin(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    return streams.normal(*spec.shape)


def test_what_another_setting_replaces_is_unused() -> None:
    assert DDOConfig(rate=1e-3).unused >= {"optimizer.lr"}
    assert DDOConfig(reference="best", rounds=2, search_each_round={"rate": [1e-3, 1e-4]}).unused >= {"optimizer.lr", "rate"}
    assert DDOConfig(fakes="online").unused >= {"bank_size"}
    assert not DDOConfig().unused & {"optimizer.lr", "bank_size"}


def test_fewer_rounds_than_a_preset_has_cut_its_values_by_round() -> None:
    assert DDOConfig(preset="edm2-img512").p_std == {1: 1.6, 11: 2.0, 20: 3.0}
    assert DDOConfig(preset="edm2-img512", rounds=12).p_std == {1: 1.6, 11: 2.0}
