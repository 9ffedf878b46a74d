"""Presets, folders and files of diffusers' networks: settings from config.json, names of today and of old versions."""

import gzip
import inspect
import json

import pytest
import torch
from published_layout import GOLDEN, check_layout
from safetensors.torch import load_file, save_file

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.weights import convert, network_files
from harness.weights.stored import read
from harness_diffusers import UNet2DConfig, harness_models
from harness_diffusers.presets import PRESETS, TINY
from harness_diffusers.published import DEFAULTS, FIXED, from_config

pytest.importorskip("diffusers")

from harness_diffusers.model import build

COMPONENT = harness_models()[0]
WEIGHTS = GOLDEN / "ddpm" / "diffusers_unet_tiny.safetensors"


def golden_config():
    return json.loads((GOLDEN / "ddpm" / "manifest.json").read_text())["cases"]["diffusers_unet_tiny"]["config"]


def as_folder(folder, weights, **settings):
    """A folder as diffusers writes it."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", **golden_config(), **settings}))
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    return folder


def with_old_names(weights):
    new = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, value in weights.items():
        for today, old in new.items():
            name = name.replace(f".{today}.", f".{old}.")
        renamed[name] = value
    return renamed


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_published_names_and_shapes(name):
    check_layout(PRESETS[name], build, f"ddpm/diffusers-{name}.keys.json.gz")


def test_a_tiny_network_has_the_size_that_it_says():
    network = COMPONENT.create(TINY.config, TINY.spec)
    assert sum(parameter.numel() for parameter in network.parameters()) == TINY.parameters < 100_000


def test_a_preset_says_what_is_published():
    preset = registry().preset("ddpm-cifar10-32", where="this test")
    (file,) = preset.files
    assert (preset.parameters, preset.spec.shape) == (35_746_307, (3, 32, 32))
    assert file.address.startswith("https://huggingface.co/google/ddpm-cifar10-32/")
    stored = json.loads(gzip.decompress((GOLDEN / "ddpm" / "diffusers-ddpm-cifar10-32.keys.json.gz").read_bytes()))
    config, spec = from_config(stored["config"])
    assert (config, spec) == (preset.config, preset.spec)


def test_the_plugin_of_ho_et_als_network_keeps_the_same_file_under_the_same_name():
    other = registry().preset("ddpm-cifar10", where="this test")
    assert other.files == PRESETS["ddpm-cifar10-32"].files


@pytest.mark.parametrize("is_old", [False, True], ids=["names of today", "names before 0.15"])
def test_a_folder_says_its_settings_and_fills_the_network(tmp_path, is_old):
    weights = load_file(WEIGHTS)
    folder = as_folder(tmp_path / "unet", with_old_names(weights) if is_old else weights)
    described = network_files.layout(COMPONENT).describe(read(folder))
    assert described is not None
    config, spec = described
    assert spec == DataSpec((3, 16, 16), 0, "images")
    model = COMPONENT.create(config, spec)
    network_files.load([network_files.NetworkFile(folder)], COMPONENT, model)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_folder_of_another_class_describes_nothing(tmp_path):
    folder = as_folder(tmp_path / "unet", load_file(WEIGHTS), _class_name="UNet1DModel")
    assert network_files.layout(COMPONENT).describe(read(folder)) is None


def test_a_folder_of_another_architecture_than_ddpm_unets_goes_to_the_network_that_runs_it(tmp_path):
    plain = build(UNet2DConfig(), DataSpec((1, 8, 8), preview="images"))
    folder = tmp_path / "theirs"
    plain.save_pretrained(folder)
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, "_class_name": "UNet2DModel"}))
    assert convert.described_network(read(folder)).model.name == "diffusers-unet"  # its time features are not Ho et al.'s
    convert.convert([network_files.NetworkFile(folder)], tmp_path / "out.safetensors", None)
    assert convert.described_network(read(tmp_path / "out.safetensors")).config == UNet2DConfig()


def test_what_a_config_leaves_out_is_what_the_library_has():
    from diffusers import UNet2DModel

    library = {name: argument.default for name, argument in inspect.signature(UNet2DModel.__init__).parameters.items()}
    assert all(list(library[name]) == value for name, value in DEFAULTS.items() if isinstance(value, list))
    config, spec = from_config({"sample_size": 32})
    assert all(library[name] == value for name, value in config.network.items())
    assert spec.shape == (library["in_channels"], 32, 32)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_class_embeds": 10}, "num_class_embeds is 10, not None"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type is 'fourier', not 'positional'"),
        ({"out_channels": 6}, "it makes no square images with as many channels as it takes: .*out_channels 6"),
        ({"sample_size": [32, 64]}, r"it makes no square images .*sample_size is \[32, 64\]"),
        ({"down_block_types": ["CrossAttnDownBlock2D"] * 3}, "down_block_types"),
        ({"sample_size": None}, "sample_size is None, not a whole number"),
        ({"sample_size": 0}, "sample_size is 0; it must be from 1 to"),
        ({"in_channels": -3, "out_channels": -3}, "in_channels is -3; it must be from 1 to"),
        ({"in_channels": None, "out_channels": None}, "in_channels is None, not a whole number"),
        ({"block_out_channels": None}, "block_out_channels: must be a list"),
        ({"block_out_channels": [8, -16, 16]}, "block_out_channels.1: must be above 0, got -16"),
        ({"block_out_channels": "many"}, "block_out_channels: must be a list"),
        ({"layers_per_block": [2]}, "layers_per_block: must be a whole number"),
        ({"layers_per_block": 10**9}, "layers_per_block: must be at most 64"),
        ({"norm_num_groups": None}, "norm_num_groups: must be a whole number"),
    ],
)
def test_networks_that_are_no_chains_are_refused_by_name(settings, message):
    with pytest.raises(UserError, match=f"^diffusers-unet cannot run this UNet2DModel: {message}"):
        from_config({**golden_config(), **settings})


def test_no_argument_is_both_fixed_and_a_setting():
    assert not set(FIXED) & set(UNet2DConfig.model_fields)
    assert set(DEFAULTS) <= set(UNet2DConfig.model_fields)
