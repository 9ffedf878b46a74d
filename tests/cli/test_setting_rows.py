"""Settings as rows: types, defaults, ranges and meaning, with settings inside of others by their full name."""

from typing import Literal

import pytest
from pydantic import Field

from harness import Config, NoConfig
from harness.cli.setting_rows import setting_rows
from harness.components import KINDS
from harness.plugins import registry


class Optimizer(Config):
    lr: float = Field(1e-4, gt=0, description="step size")
    betas: list[float] = Field([0.9, 0.999], description="decay")


class Settings(Config):
    size: int = Field(ge=1, le=512, description="width")
    rate: float | None = Field(None, gt=0, lt=1)
    form: Literal["square", "round"] = "round"
    only: Literal["one"] = "one"
    optimizer: Optimizer = Optimizer(lr=0.5)
    second: Optimizer | None = None
    is_used: bool = Field(True, description="whether")


def rows():
    return {row["setting"]: row for row in setting_rows(Settings)}


@pytest.mark.parametrize(
    ("setting", "kind", "default", "bounds"),
    [
        ("size", "integer", "required", "≥ 1, ≤ 512"),
        ("rate", "number | none", "none", "> 0, < 1"),
        ("form", "square | round", "round", ""),
        ("only", "one", "one", ""),
        ("is_used", "boolean", "True", ""),
        ("optimizer.lr", "number", "0.5", "> 0"),  # the default that the outer class gives it, and not its own
        ("optimizer.betas", "list of number", "[0.9, 0.999]", ""),
        ("second.lr", "number", "0.0001", "> 0"),
    ],
)
def test_a_setting_has_its_type_default_and_range(setting, kind, default, bounds):
    row = rows()[setting]
    # pydantic gives bounds in an order of its own.
    assert (row["type"], row["default"], set(row["range"].split(", "))) == (kind, default, set(bounds.split(", ")))


def test_settings_stand_in_their_order_with_their_meaning():
    assert [row["setting"] for row in setting_rows(Settings)] == [
        "size", "rate", "form", "only", "optimizer.lr", "optimizer.betas", "second.lr", "second.betas", "is_used",
    ]  # fmt: skip
    assert (rows()["size"]["meaning"], rows()["rate"]["meaning"]) == ("width", "")


def test_a_component_without_settings_has_no_rows():
    assert setting_rows(NoConfig) == []


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_everything_that_is_installed_can_be_shown(kind):
    for name, provided in registry().all(kind).items():
        for row in setting_rows(provided.component.config):
            assert row["meaning"], f"{kind} {name}: {row['setting']} has no description"
            assert row["type"]
