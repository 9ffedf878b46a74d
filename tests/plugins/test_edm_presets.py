"""EDM's presets: the published networks by names, shapes, size and address, and the tiny ones."""

import pytest
import torch
from published_layout import check_layout

from harness.interfaces import DataSpec
from harness.plugins import registry
from harness_edm import UNetConfig
from harness_edm.presets import PRESETS, TINY
from harness_edm.unet import build

PUBLISHED = [name for name in PRESETS if "tiny" not in name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_has_the_published_names_and_shapes(name):
    preset = PRESETS[name]
    check_layout(preset, build, f"edm/{preset.files[0].name.removesuffix('.pkl')}.keys.json.gz")


def test_every_published_network_names_one_file_at_nvidias_address():
    for name in PUBLISHED:
        (file,) = PRESETS[name].files
        assert file.address == f"https://nvlabs-fi-cdn.nvidia.com/edm/pretrained/{file.name}"


def test_conditional_networks_have_the_classes_of_their_data():
    assert {name: PRESETS[name].spec.classes for name in PUBLISHED} == {
        "edm-cifar10-uncond-vp": 0, "edm-cifar10-cond-vp": 10, "edm-cifar10-uncond-ve": 0, "edm-cifar10-cond-ve": 10,
        "edm-imagenet64-cond-adm": 1000,
    }  # fmt: skip


def test_vp_and_ve_differ_by_their_family_alone():
    first, second = (PRESETS[f"edm-cifar10-cond-{tag}"].config for tag in ("vp", "ve"))
    assert isinstance(first, UNetConfig)
    assert isinstance(second, UNetConfig)
    assert (first.architecture, second.architecture) == ("ddpm++", "ncsn++")
    assert first.model_copy(update={"architecture": "ncsn++"}) == second


@pytest.mark.parametrize("preset", [TINY, *(PRESETS[name] for name in PRESETS if "tiny" in name)], ids=lambda preset: preset.name)
def test_a_tiny_network_has_the_size_that_it_says(preset):
    with torch.device("meta"):
        model = build(preset.config, preset.spec)
    assert sum(parameter.numel() for parameter in model.parameters()) == preset.parameters < 100_000
    assert preset.spec.shape == (1, 8, 8)
    assert not preset.files


def test_presets_are_found_by_name():
    preset = registry().preset("edm-cifar10-cond-vp", where="this test")
    assert (preset.parameters, preset.spec) == (55_735_299, DataSpec((3, 32, 32), 10, "images"))
