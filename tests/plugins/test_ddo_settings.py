"""Settings of DDO: presets, what models must have, and what changes nothing."""

from __future__ import annotations

import pytest
import torch
from ddo_tasks import SPEC
from torch import Tensor, nn

from harness.components import MethodUsage, Model, Sampler
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.models import build
from harness.testing.rounds import begin_round_where_due
from harness.testing.task import InMemoryTask
from harness.training.rounds import RoundSchedule
from harness_ddo import DDOConfig, check
from harness_ddo.method import DDO


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
