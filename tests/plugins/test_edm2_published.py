"""Published EDM2 networks: presets against the files' names and shapes, arguments as settings."""

import re
from pathlib import Path

import pytest
import torch
from published_layout import check_layout

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.stored import Stored
from harness_edm2 import EDM2Config, harness_models
from harness_edm2.model import build
from harness_edm2.presets import FURTHER, PRESETS, TINY
from harness_edm2.published import DEFAULTS, EDM2Layout, from_arguments

COMPONENT = harness_models()[0]
ARGUMENTS = {"img_resolution": 64, "img_channels": 4, "label_dim": 1000}


def settings_of(name):
    config = PRESETS[name].config
    assert isinstance(config, EDM2Config)
    return config


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_published_names_and_shapes(name):
    if settings_of(name).vae is not None:
        pytest.importorskip("diffusers")
    check_layout(PRESETS[name], build, f"edm2/{name}.keys.json.gz", apart="vae.")


def test_a_tiny_network_has_the_size_that_it_says():
    network = COMPONENT.create(TINY.config, TINY.spec)
    assert sum(parameter.numel() for parameter in network.parameters()) == TINY.parameters < 100_000


def test_file_names_say_network_images_and_length():
    for name, preset in PRESETS.items():
        networks = [file for file in preset.files if file.part == ""]
        assert len(networks) == (0 if name == "edm2-img64-xs" else 1)
        for file in networks:
            assert file.address.endswith(f"/posthoc-reconstructions/{file.name}")
            thousands_of_images, length = re.fullmatch(rf"{name}-(\d{{7}})-(0\.\d{{3}})\.pkl", file.name).groups()
            assert int(thousands_of_images) > 100_000
            assert 0.03 < float(length) < 0.15


def test_small_networks_have_no_dropout_and_pixels_have_noise_of_their_own():
    dropout = {name: settings_of(name).dropout for name in PRESETS}
    assert all((rate == 0) == (name.split("-")[2] in ("xs", "s")) for name, rate in dropout.items())
    noise = {(settings_of(name).p_mean, settings_of(name).p_std) for name in PRESETS if "img64" in name}
    assert noise == {(-0.8, 1.6)}


def test_what_a_file_leaves_out_is_what_the_constructor_has():
    config, spec = from_arguments({**ARGUMENTS, "use_fp16": True})
    assert spec == DataSpec((4, 64, 64), 1000, "images")
    assert (config.model_channels, config.channel_mult, config.num_blocks) == (192, (1, 2, 3, 4), 3)
    assert (config.channels_per_head, config.clip_act, config.logvar_channels) == (64, 256.0, 128)


def test_what_a_file_says_comes_before_the_defaults():
    config, spec = from_arguments({"img_resolution": 8, "img_channels": 1, "model_channels": 8, "clip_act": None})
    assert (config.model_channels, config.clip_act, spec.classes) == (8, None, 0)


def test_every_default_is_a_setting_here():
    assert set(DEFAULTS) <= set(EDM2Config.model_fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"twist": 1}, "arguments that are not known here: twist"),
        ({"img_channels": None}, "img_channels is None, not a whole number"),
        ({"label_dim": 2.5}, "label_dim is 2.5, not a whole number"),
    ],
)
def test_what_this_plugin_has_not_is_named(change, message):
    with pytest.raises(UserError, match=f"^EDM2 network: {message}$"):
        from_arguments({**ARGUMENTS, **change})


def stored(content, config):
    return Stored(Path("network.pkl"), "nvidia", content, config)


def test_a_file_with_edm2s_preconditioning_describes_itself_and_others_do_not():
    layout = EDM2Layout()
    assert layout.describe(stored({}, {"class_name": "Precond", **ARGUMENTS})) == from_arguments(ARGUMENTS)
    assert layout.describe(stored({}, {"class_name": "EDMPrecond", **ARGUMENTS})) is None
    assert layout.describe(stored({}, {})) is None


def test_only_the_autoencoders_attention_is_renamed():
    network, tensors = harness_models()[0].create(TINY.config, TINY.spec), {"mid.attentions.0.query.weight": torch.zeros(1)}
    assert set(EDM2Layout().tensors(stored(tensors, {}), network, "")) == set(tensors)
    assert set(EDM2Layout().tensors(stored(tensors, {}), network, "vae")) == {"mid.attentions.0.to_q.weight"}


def test_further_averages_are_of_the_network_of_their_size():
    assert len(FURTHER) == 15
    for name, preset in FURTHER.items():
        base = PRESETS["-".join(name.split("-")[:3])]
        assert (preset.config, preset.spec, preset.parameters) == (base.config, base.spec, base.parameters)
        # A file's name says the length of its average with a dot, which a board would take for a path.
        assert preset.files[0].name.removesuffix(".pkl").replace("0.", "") == name
        assert [file.part for file in preset.files] == (["", "vae"] if "img512" in name else [""])
