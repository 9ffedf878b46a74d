"""Settings of guidance: the two conventions of its weight, the sampler inside, and the formula that records keep."""

import pydantic
import pytest
import torch

from harness.components import Sampler
from harness.inner_components import base_names
from harness.plugins import registry
from harness.testing.mixture import MixtureDenoiser, four_points
from harness_guidance import AutoguidanceConfig, GuidanceConfig, formula, harness_samplers
from harness_guidance.guided import GuidedModel

HEUN = {"name": "heun", "steps": 6}


@pytest.mark.parametrize(
    ("convention", "weight", "expected"), [("edm2", 1.0, 1.0), ("edm2", 2.5, 2.5), ("var", 0.0, 1.0), ("var", 1.5, 2.5)]
)
def test_a_weight_of_either_convention_is_the_same_line(convention, weight, expected):
    assert GuidanceConfig(sampler=HEUN, weight=weight, convention=convention).edm2_weight == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": -1}, "greater than or equal to 0"),
        ({"low": 2.0, "high": 1.0}, r"low \(2\.0\) is not below high \(1\.0\)"),
        ({"low": 1.0, "high": 1.0}, "is not below high"),
        ({"convention": "sdxl"}, "convention"),
        ({"sampler": "heum"}, "did you mean 'heun'"),
        ({"sampler": {"name": "heun", "stepz": 3}}, "sampler heun: stepz"),
    ],
)
def test_settings_that_cannot_be_are_faults(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        GuidanceConfig(**settings)


def test_settings_inside_are_part_of_the_identity_defaults_included():
    dumped = GuidanceConfig(sampler={"name": "heun", "steps": 6}).model_dump(mode="json")
    assert dumped["sampler"]["settings"] == {"steps": 6, "rho": 7.0}
    assert GuidanceConfig().model_dump(mode="json")["sampler"]["settings"] == {"steps": 18, "rho": 7.0}
    assert GuidanceConfig.model_validate(dumped) == GuidanceConfig(sampler=HEUN)


def test_the_guide_is_found_as_a_base_of_the_board_however_deep_it_is():
    inner = {"name": "autoguidance", "guide": "small", "sampler": HEUN}
    assert list(base_names(GuidanceConfig(sampler=inner))) == [("guide", "small")]
    assert list(base_names(GuidanceConfig(sampler=HEUN))) == []


class Weak(MixtureDenoiser):
    """Shrinks what it denoises."""

    def denoise(self, x, sigma, labels):
        return 0.9 * super().denoise(x, sigma, labels)


@pytest.mark.parametrize(("convention", "weight"), [("edm2", 2.5), ("var", 1.5)])
def test_the_formula_of_records_is_what_the_model_computes(convention, weight):
    main, guide = MixtureDenoiser(four_points(classes=True)), Weak(four_points(classes=True))
    config = AutoguidanceConfig(sampler=HEUN, guide="weak", weight=weight, convention=convention, low=0.5, high=3.0)
    text = formula(config)
    assert text == "weak + 2.5 * (main - weak) for 0.5 <= sigma <= 3, else main"
    x, labels = torch.ones(4, 2), torch.arange(4) % 2
    for sigma in (torch.tensor(1.0), torch.tensor(5.0)):
        networks = {"main": main.denoise(x, sigma, labels), "weak": guide.denoise(x, sigma, labels)}
        expected = eval(text.split(" for ")[0], networks) if 0.5 <= sigma <= 3 else networks["main"]
        found = GuidedModel(config, main, guide, guide_has_labels=True).denoise(x, sigma, labels)
        torch.testing.assert_close(found, expected)


def test_without_another_network_the_guide_is_called_unlabelled_in_the_formula():
    assert formula(GuidanceConfig(sampler=HEUN)) == "unlabelled + 1.5 * (main - unlabelled) for 0 <= sigma <= inf, else main"


def test_both_samplers_write_their_formula():
    assert [sampler.name for sampler in harness_samplers()] == ["cfg", "autoguidance"]
    for sampler in harness_samplers():
        assert registry().get(Sampler, sampler.name, where="this test").formula is formula
