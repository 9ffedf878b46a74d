"""VAR's published files: apart, together in a training checkpoint, and with the tokenizer that the settings name."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.testing import models
from harness.weights import cache
from harness.weights.stored import Stored, read
from harness_var import PRESETS, TOKENIZER_PRESETS, VARConfig, VQVAEConfig, harness_models
from harness_var.layout import VARLayout
from harness_var.network import CONSTANTS
from harness_var.presets import PRESETS as PUBLISHED
from harness_var.presets import TOKENIZER

SPEC = DataSpec((1, 8, 8), classes=3, preview="images")


def model(seed=0, **tokenizer):
    config = VARConfig(embed_dim=16, num_heads=2, tokenizer={"ch": 4, "ch_mult": (1, 1), **tokenizer})
    return models.build(harness_models()[0], config, SPEC, seed)


def transformer(network):
    """The transformer's tensors as published, with the constant tables."""
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("tokenizer.")}
    return {**state, **{name: torch.zeros(2) for name in CONSTANTS}}


def tensors(content, network, part=""):
    return VARLayout().tensors(Stored(Path("a file"), "pytorch", content), network, part)


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}])
def test_a_file_of_the_transformer_has_no_constants_and_no_tokenizer(wrap):
    network = model()
    found = tensors(wrap(transformer(network)), network)
    assert found.keys() == transformer(network).keys() - set(CONSTANTS)


def test_a_file_of_the_tokenizer_has_its_own_names():
    network = model()
    found = tensors(network.tokenizer.state_dict(), network, "tokenizer")
    assert found.keys() == network.tokenizer.state_dict().keys()


@pytest.mark.parametrize("part", ["", "tokenizer"])
def test_a_training_checkpoint_has_both_networks_under_trainer(part):
    network = model()
    trainer = {
        "vae_local": network.tokenizer.state_dict(),
        "var_wo_ddp": transformer(network),
        "var_opt": {"optimizer": {"state": {}}},
    }
    found = tensors({"epoch": 3, "trainer": trainer}, network, part)
    expected = network.tokenizer.state_dict().keys() if part else transformer(network).keys() - set(CONSTANTS)
    assert found.keys() == expected


def test_a_file_of_the_transformer_gets_the_tokenizer_that_the_settings_name(tmp_path):
    path = tmp_path / "tokenizer.safetensors"
    save_file(model(7).tokenizer.state_dict(), path)
    network = model(weights=str(path), sha256=cache.sha256(path))
    found = tensors(transformer(network), network)
    network.load_state_dict(dict(found), strict=True)
    assert torch.equal(found["tokenizer.quant_conv.weight"], model(7).tokenizer.quant_conv.weight)
    own = {**transformer(network), "tokenizer.quant_conv.weight": torch.ones(1)}
    with pytest.raises(UserError, match="it holds a tokenizer, and the settings name the file of another"):
        tensors(own, network)


def test_a_state_dict_of_the_harness_comes_back_whole(tmp_path):
    network = model()
    save_file(network.state_dict(), tmp_path / "whole.safetensors")
    found = VARLayout().tensors(read(tmp_path / "whole.safetensors"), network, "")
    assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items())


def test_presets_name_the_published_files_and_one_tokenizer():
    published = {name: preset for name, preset in PUBLISHED.items() if name != "var-tiny"}
    assert {name.removeprefix("var-") for name in published} == PRESETS.keys()
    for name, preset in published.items():
        network, tokenizer = preset.files
        depth = name.removeprefix("var-").removesuffix("-s")
        assert network.name == f"var_{depth}.pth"
        assert tokenizer is TOKENIZER
        assert tokenizer.part == "tokenizer"
        assert preset.spec.classes == 1000
        assert isinstance(preset.config, VARConfig)
        assert preset.config.patch_nums[-1] * preset.config.tokenizer.downsample == preset.spec.shape[1]


@pytest.mark.parametrize("name", PRESETS)
def test_a_published_model_has_64_channels_a_head_and_as_many_heads_as_blocks(name):
    config = VARConfig(preset=name)
    assert config.num_heads == config.depth
    assert config.embed_dim == 64 * config.depth
    assert config.drop_path_rate == pytest.approx(0.1 * config.depth / 24)
    assert (config.tokenizer.vocab_size, config.tokenizer.downsample) == (4096, 16)


def test_the_tiny_preset_is_built_and_has_the_parameters_that_it_says():
    preset = PUBLISHED["var-tiny"]
    network = models.build(harness_models()[0], preset.config, preset.spec)
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad) == preset.parameters


def test_a_tokenizers_preset_fills_its_sizes_and_what_is_given_wins():
    published = VQVAEConfig(preset="ch160v4096z32")
    assert {name: getattr(published, name) for name in TOKENIZER_PRESETS["ch160v4096z32"]} == dict(
        TOKENIZER_PRESETS["ch160v4096z32"]
    )
    assert VQVAEConfig(preset="ch160v4096z32", vocab_size=8).vocab_size == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "d17"}, "Input should be 'd16', 'd20', 'd24', 'd30' or 'd36-s'"),
        ({"embed_dim": 30, "num_heads": 4}, r"embed_dim \(30\) is not a multiple of num_heads \(4\)"),
        ({"tokenizer": {"preset": "large"}}, "Input should be 'ch160v4096z32'"),
        ({"patch_nums": (1,)}, "at least 2 items"),
        ({"widht": 3}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_are_faults(settings, message):
    with pytest.raises(ValueError, match=message):
        VARConfig(**settings)
