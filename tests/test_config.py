from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from harness import Config
from harness.config import unused_paths, value_at, without_unused
from harness.training.optimizer import OptimizerConfig
from harness.training.rounds import ByRound


class Example(Config):
    count: int = Field(1, ge=0)
    share: float | None = None
    is_on: bool = False
    seeds: tuple[int, ...] = ()
    betas: list[float] | float | None = None
    levels: int | bool = 0
    by_round: ByRound[Annotated[float, Field(gt=0)]] = 1.0
    tried: dict[str, tuple[float, ...]] | None = None
    words: dict[str, object] = {}


@pytest.mark.parametrize("field", ["count", "share"])
def test_truth_values_are_no_numbers(field):
    with pytest.raises(ValidationError, match="expected a number"):
        Example.model_validate({field: True})


@pytest.mark.parametrize(
    "settings",
    [{"by_round": True}, {"by_round": [True, 2.0]}, {"by_round": {1: 1.0, 2: True}}, {"tried": {"beta": [True, 2]}}],
)
def test_truth_values_are_no_numbers_by_round_or_name(settings):
    with pytest.raises(ValidationError, match="expected a number"):
        Example.model_validate(settings)
    assert Example(words={"is_on": True}).words == {"is_on": True}


@pytest.mark.parametrize("field", ["seeds", "betas"])
def test_truth_values_are_no_numbers_of_a_list(field):
    with pytest.raises(ValidationError, match="expected a number"):
        Example.model_validate({field: [1, True]})


def test_truth_values_are_truth_values():
    assert Example(is_on=True, count=2, share=None).is_on
    assert Example(levels=True, seeds=(1,), betas=[0.5]).levels is True


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), "inf", "nan"])
def test_a_setting_is_a_finite_number(value):
    with pytest.raises(ValidationError, match="finite number"):
        Example.model_validate({"share": value})


@pytest.mark.parametrize("value", ["1e-4", 1e-4])
def test_a_number_that_yaml_reads_as_text_is_the_number(value):
    assert Example.model_validate({"share": value}).share == 0.0001


class Outer(Config):
    optimizer: OptimizerConfig = OptimizerConfig(name="sgd")
    rate: float | None = None
    bank: int = 3

    @property
    def unused(self):
        return frozenset({"bank"} if self.rate is None else {"optimizer.lr"})


def test_settings_without_effect_are_left_out_at_any_depth():
    plain, by_rate = Outer(), Outer(rate=0.5)
    of_sgd = {("optimizer", "betas"), ("optimizer", "cooldown"), ("optimizer", "decay_1d")}
    assert set(unused_paths(plain)) == of_sgd | {("bank",)}
    assert set(unused_paths(by_rate)) == of_sgd | {("optimizer", "lr")}
    left = without_unused(by_rate, by_rate.model_dump())
    assert set(left) == {"optimizer", "rate", "bank"}
    assert isinstance(left["optimizer"], dict)
    assert set(left["optimizer"]) == set(OptimizerConfig.model_fields) - {"betas", "cooldown", "decay_1d", "lr"}
    assert without_unused(by_rate, {"bank": 1}) == {"bank": 1}
    assert (value_at(by_rate.identity, ("optimizer", "name")), value_at(by_rate.identity, ("rate", "x"))) == ("sgd", None)
