"""The settings of `search` in a board.yaml, and of `settings_from`, by which a method takes what a search found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt, StringConstraints, model_validator

from harness import validation
from harness.config import Config

Value = bool | int | float | str
"""A value of a searched setting."""
Point = Mapping[str, Value]
"""A value for each searched setting, by the setting's dotted path: `{"optimizer.lr": 0.0001, "training.images": 64000}`."""

_Name = Annotated[str, StringConstraints(pattern=validation.NAME, max_length=60)]
_File = Annotated[str, StringConstraints(pattern=validation.YAML_FILE, max_length=200)]
_Seed = Annotated[int, Field(ge=0, lt=1_000_000, strict=True)]


def _list_of_texts(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _file_in_full(value: object) -> object:
    return {"file": value} if isinstance(value, str) else value


class DimensionConfig(Config):
    """The values that a search may give to one setting: a range, `{low: 0.01, high: 10, log: true}`, or `{choices: [1, 4]}`. A
    setting that is a whole number gets whole numbers; other numbers are rounded to four digits."""

    low: float | None = Field(None, description="smallest value of a range")
    high: float | None = Field(None, description="largest value of a range")
    log: bool = Field(False, description="whether the range is searched by the logarithm of the value")
    choices: list[Value] = Field([], description="values, in the place of a range: numbers, true, false, or plain words")

    @model_validator(mode="after")
    def _is_range_or_choices(self) -> DimensionConfig:
        if self.choices:
            if self.model_fields_set - {"choices"}:
                raise ValueError("has choices and a range: keep one of the two")
            if len({(type(value) is bool, value) for value in self.choices}) < max(2, len(self.choices)):
                raise ValueError("choices needs two different values or more, each once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) is not below high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) is not above 0, and log needs that")
        return self


class SearchConfig(Config):
    """A search for the settings of a method, which `harness search` runs ([how](search.md)). No cell of the board depends on
    it."""

    method: _Name = Field(description="the entry of `methods` whose settings are searched; what it says besides stays as it is")
    bases: Annotated[list[_Name], BeforeValidator(_list_of_texts), Field(min_length=1)] = Field(
        description="the base, or a list of them: each has a study and chosen settings of its own"
    )
    space: dict[str, DimensionConfig] = Field(
        min_length=1,
        description="the searched settings, by their dotted paths: `beta`, `optimizer.lr`; those of the budget begin with "
        "`training.`",
    )
    seeds: list[_Seed] = Field(min_length=1, description="seeds of the search; none of them may be a seed of the board")
    metric: str | None = Field(
        None,
        description="the column to search by. By default the curve's metric, of which the curve's value counts; of another "
        "column, the value on the evaluation draws of the search's seeds",
    )
    trials: PositiveInt = Field(20, description="number of points that are tried on each base")
    budget: PositiveInt | None = Field(None, description="training images of a trial; by default those of the method")
    rungs: Annotated[int, Field(ge=1, le=8)] = Field(
        1,
        description="budgets that a trial passes through, each a training of its own: of 3, a ninth of the images, a third, and "
        "all; a trial goes on while it is among the best `1 / reduction` of those that came as far",
    )
    reduction: Annotated[int, Field(ge=2, le=100)] = Field(
        3, description="how many times larger each budget is than the one before"
    )
    pretrain_seed: _Seed | Literal["board"] | None = Field(
        None,
        description="seed with which a base with `pretrain` is made anew for the search, so that no setting is fitted to the "
        "board's weights; by default the first of `seeds`. `board` takes the board's own base, which saves its cost",
    )
    sampler_seed: _Seed = Field(0, description="seed of the search itself, which chooses the points")
    chosen: _File = Field(
        description="the file that gets the chosen settings, by its path from the board's folder: `searched/ddo.yaml`"
    )

    @model_validator(mode="after")
    def _has_each_once(self) -> SearchConfig:
        for name, values in (("bases", self.bases), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} has a value twice: {values}")
        if self.budget is not None and "training.images" in self.space:
            raise ValueError("has a budget and training.images in its space: keep one of the two")
        return self

    @property
    def asked(self) -> dict[str, object]:
        """Everything that the values and the order of trials depend on, beside the board: JSON values; defaults are left out."""
        return self.model_dump(mode="json", exclude={"method", "bases", "trials", "chosen"}, exclude_defaults=True)


class SettingsFromConfig(Config):
    """The file of chosen settings that a search wrote."""

    file: _File = Field(description="path of the file, from the board's folder")
    base: _Name | None = Field(None, description="the base whose study counts, where the file holds those of several")


SettingsFrom = Annotated[SettingsFromConfig, BeforeValidator(_file_in_full)]
