"""Settings that name other components are looked up when they are checked, and count in what a sampler needs."""

import pytest
from pydantic import Field, ValidationError

from harness import Config, Sampler
from harness.inner_components import (
    BaseName,
    InnerSampler,
    SamplerSetting,
    base_names,
    inner_samplers,
    sampler_needs,
    with_smoke_samplers,
)
from harness.plugins import registry


class Guided(Config):
    sampler: SamplerSetting = Field("heun", validate_default=True, description="the sampler inside")
    guide: BaseName | None = None
    scale: float = 1.0


def test_a_name_alone_stands_for_the_sampler_with_its_defaults():
    inner = Guided().sampler
    assert inner.name == "heun"
    assert inner.config == registry().provided("sampler", "heun", where="test").component.config()
    assert inner.version == registry().provided("sampler", "heun", where="test").version


def test_settings_stand_beside_the_name_and_are_checked_at_once():
    assert Guided(sampler={"name": "heun", "steps": 7}).sampler.config.identity["steps"] == 7
    with pytest.raises(ValidationError, match=r"sampler heun: steps: must be at least \d, got -1"):
        Guided(sampler={"name": "heun", "steps": -1})
    with pytest.raises(ValidationError, match="sampler heun: stepz: is no known key"):
        Guided(sampler={"name": "heun", "stepz": 3})


def test_an_unknown_sampler_gives_the_nearest_name():
    with pytest.raises(ValidationError, match="no sampler is called 'huen'; did you mean 'heun'"):
        Guided(sampler="huen")


@pytest.mark.parametrize("value", [3, None, {}, {"steps": 3}, ["heun"]])
def test_what_names_no_sampler_is_a_fault(value):
    with pytest.raises(ValidationError, match="expected the name of a sampler, or a mapping with a name"):
        Guided(sampler=value)


def test_settings_as_records_hold_them_are_read_back_the_same():
    guided = Guided(sampler={"name": "heun", "steps": 9}, guide="small")
    assert Guided.model_validate(guided.model_dump(mode="json")) == guided


def test_samplers_inside_samplers_are_found_at_any_depth():
    nested = Guided(sampler={"name": "cfg", "weight": 2.0, "sampler": "euler"})
    assert [inner.name for inner in inner_samplers(nested)] == ["cfg", "euler"]


def test_bases_are_found_by_the_settings_that_name_them():
    assert list(base_names(Guided(guide="small"))) == [("guide", "small")]
    assert list(base_names(Guided())) == []
    inside = Guided(sampler={"name": "autoguidance", "guide": "weak"}, guide="small")
    assert sorted(name for _, name in base_names(inside)) == ["small", "weak"]


def test_a_sampler_needs_what_the_samplers_inside_need():
    cfg, euler = (registry().get(Sampler, name, where="test") for name in ("cfg", "euler"))
    settings = cfg.config.model_validate({"weight": 2.0, "sampler": "euler"})
    assert sampler_needs(cfg, settings) == cfg.needs | euler.needs


def test_smoke_runs_shrink_the_sampler_inside_and_leave_the_rest():
    smoke = registry().all("sampler")["heun"].component.smoke
    small = with_smoke_samplers(Guided(sampler={"name": "heun", "steps": 500}, scale=3.0))
    assert isinstance(small, Guided)
    assert {name: getattr(small.sampler.config, name) for name in smoke} == dict(smoke)
    assert small.scale == 3.0


def test_an_inner_sampler_is_built_from_its_settings():
    assert callable(InnerSampler.model_validate({"name": "euler", "steps": 3}).create())
