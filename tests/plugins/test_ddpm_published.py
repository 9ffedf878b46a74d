"""Published DDPM networks as settings of this plugin: which files it takes, and what it says of the others."""

import inspect
from pathlib import Path

import pytest
import torch
from published_layout import check_layout

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.testing import models
from harness.weights.stored import Stored
from harness_ddpm import UNetConfig, harness_models
from harness_ddpm.diffusers_names import to_diffusers
from harness_ddpm.image_model import build
from harness_ddpm.presets import PRESETS, TINY
from harness_ddpm.published import LEFT_OUT, DDPMLayout, from_arguments, from_diffusers, is_of_this_architecture

COMPONENT = next(component for component in harness_models() if component.name == "ddpm-unet")
CIFAR10 = {
    "sample_size": 32, "in_channels": 3, "block_out_channels": [128, 256, 256, 256], "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"], "norm_num_groups": 32,
    "norm_eps": 1e-6, "attention_head_dim": None, "freq_shift": 1, "flip_sin_to_cos": False, "downsample_padding": 0,
}  # fmt: skip
ARGUMENTS = {
    "in_channels": 3, "out_ch": 3, "resolution": 32, "ch": 128, "ch_mult": [1, 2, 2, 2], "num_res_blocks": 2,
    "attn_resolutions": [16], "dropout": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", ["sftpg-cifar10", "sftpg-celeba64"])
def test_a_preset_has_the_published_names_and_shapes(name):
    check_layout(PRESETS[name], build, f"ddpm/{name}.keys.json.gz")


def test_a_tiny_network_has_the_size_that_it_says():
    network = COMPONENT.create(TINY.config, TINY.spec)
    assert sum(parameter.numel() for parameter in network.parameters()) == TINY.parameters < 100_000


@pytest.mark.parametrize(("name", "levels"), [("sftpg-celeba64", 5), ("sftpg-cifar10", 4)])
def test_a_smoke_network_keeps_its_levels_so_that_it_attends_where_images_are_small(name, levels):
    config = PRESETS[name].config
    smaller = COMPONENT.smoke_settings(config)
    assert smaller["ch_mult"] == (1,) * levels
    network = COMPONENT.create(config.model_copy(update=smaller), PRESETS[name].spec)
    assert sum(parameter.numel() for parameter in network.parameters()) < 100_000


def test_only_the_network_with_one_address_names_a_file():
    assert {name: len(preset.files) for name, preset in PRESETS.items()} == {
        "sftpg-cifar10": 1, "sftpg-celeba64": 0, "ddpm-cifar10": 1,
    }  # fmt: skip
    assert PRESETS["ddpm-cifar10"].config == PRESETS["sftpg-cifar10"].config


def test_the_arguments_of_sft_pgs_network_are_its_presets_settings():
    config, spec = from_arguments(ARGUMENTS)
    assert (config, spec) == (PRESETS["sftpg-cifar10"].config, PRESETS["sftpg-cifar10"].spec)
    assert config.norm_groups == 32


def test_arguments_that_are_left_out_are_the_settings_defaults():
    config, _ = from_arguments({name: value for name, value in ARGUMENTS.items() if name != "dropout"})
    assert config.dropout == UNetConfig().dropout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out_ch": 6}, "out_ch is 6, and a DDPM gives as many channels as it takes: 3"),
        ({"resolution": "32"}, "resolution is '32', not a whole number"),
    ],
)
def test_a_network_that_is_no_ddpm_is_refused(change, message):
    with pytest.raises(UserError, match=f"^DDPM network: {message}$"):
        from_arguments({**ARGUMENTS, **change})


def test_the_config_of_a_diffusers_network_is_the_same_networks():
    config, spec = from_diffusers(CIFAR10)
    expected = PRESETS["sftpg-cifar10"]
    assert spec == expected.spec
    assert config == expected.config.model_copy(update={"dropout": 0.0})  # which its config.json does not say


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flip_sin_to_cos": True}, "flip_sin_to_cos is True, not False"),
        ({"downsample_padding": 1}, "downsample_padding is 1, not 0"),
        ({"attention_head_dim": 8}, "attention_head_dim is 8, not None"),
        ({"norm_eps": 1e-5}, "norm_eps is 1e-05, not 1e-06"),
        ({"resnet_time_scale_shift": "scale_shift"}, "resnet_time_scale_shift is 'scale_shift', not 'default'"),
        ({"num_class_embeds": 10}, "num_class_embeds is 10, not None"),
        (
            {"block_out_channels": [128, 192, 256, 256]},
            r"block_out_channels is \[128, 192, 256, 256\], and widths here are whole",
        ),
        ({"block_out_channels": [128, None, 256, 256]}, "down_block_types, up_block_types and block_out_channels are not of"),
        ({"block_out_channels": None}, "down_block_types, up_block_types and block_out_channels are not of the same levels"),
        ({"down_block_types": []}, "down_block_types, up_block_types and block_out_channels are not of the same levels"),
        ({"up_block_types": ["UpBlock2D"] * 4}, "down_block_types, up_block_types and block_out_channels are not of the same"),
        ({"out_channels": 6}, "out_channels is 6, and a DDPM gives as many channels as it takes"),
    ],
)
def test_a_diffusers_network_of_another_architecture_is_refused_with_the_difference(change, message):
    with pytest.raises(UserError, match=f"this UNet2DModel is no network of Ho et al.: {message}"):
        from_diffusers({**CIFAR10, **change})
    assert not is_of_this_architecture({**CIFAR10, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_size": None}, "sample_size is None, not a whole number"),
        ({"sample_size": -32}, "sample_size is -32; it must be from 1 to 1048576"),
        ({"sample_size": True}, "sample_size is True, not a whole number"),
        ({"layers_per_block": None}, "num_res_blocks: must be a whole number"),
        ({"layers_per_block": -1}, "num_res_blocks: must be at least 1, got -1"),
        ({"norm_num_groups": 24}, r"ch \(128\) is not a multiple of norm_groups \(24\)"),
        ({"dropout": "much"}, "dropout: must be a number"),
    ],
)
def test_settings_of_a_folder_that_are_wrong_are_one_message(change, message):
    with pytest.raises(UserError, match=f"^this UNet2DModel is no network of Ho et al.: {message}"):
        from_diffusers({**CIFAR10, **change})


def test_what_a_config_leaves_out_is_what_the_library_has():
    diffusers = pytest.importorskip("diffusers")
    signature = inspect.signature(diffusers.UNet2DModel.__init__).parameters
    library = {name: list(value) if isinstance(value, tuple) else value for name, value in
               ((name, argument.default) for name, argument in signature.items())}  # fmt: skip
    assert all(library[name] == value for name, value in LEFT_OUT.items())


def test_levels_of_other_kinds_are_of_another_architecture():
    assert is_of_this_architecture(CIFAR10)
    assert not is_of_this_architecture({"sample_size": 32})  # what it leaves out has diffusers' defaults, which are others
    assert not is_of_this_architecture({**CIFAR10, "up_block_types": ["SkipUpBlock2D"] * 4})


def stored(content, config):
    return Stored(Path("network.safetensors"), "diffusers", content, config)


def test_a_file_of_this_architecture_describes_itself_and_others_do_not():
    layout, config = DDPMLayout(), {"_class_name": "UNet2DModel", **CIFAR10}
    assert layout.describe(stored({}, config)) == from_diffusers(CIFAR10)
    assert layout.describe(stored({}, {**config, "_class_name": "UNet1DModel"})) is None
    assert layout.describe(stored({}, {**config, "act_fn": "gelu"})) is None
    assert layout.describe(stored({}, {})) is None


def test_files_of_either_layout_fill_the_network():
    network = models.build(COMPONENT, UNetConfig(ch=8, attn_resolutions=(4,)), DataSpec((1, 8, 8), preview="images"))
    weights, layout = network.state_dict(), DDPMLayout()
    for content in (weights, {"model": {f"module.{name}": value for name, value in weights.items()}}, to_diffusers(weights, 2)):
        tensors = layout.tensors(stored(content, {}), network, "")
        assert set(tensors) == set(weights)
        assert all(torch.equal(tensors[name], value) for name, value in weights.items())
