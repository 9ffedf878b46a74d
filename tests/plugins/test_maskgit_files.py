"""MaskGIT's published files and presets: what a file holds that the network has no use for, and what it lacks."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.interfaces import DataSpec
from harness.testing import models
from harness.weights import cache
from harness.weights.stored import Stored
from harness_maskgit import PRESETS, TOKENIZER_PRESETS, MaskGITConfig, VQGANConfig, harness_models
from harness_maskgit.layout import MaskGITLayout
from harness_maskgit.presets import PRESETS as PUBLISHED

SPEC = DataSpec((1, 8, 8), classes=3, preview="images")


def model(seed=0, generation="v2", **tokenizer):
    config = MaskGITConfig(generation=generation, tokenizer={"ch": 4, "ch_mult": (1, 1), **tokenizer})
    return models.build(harness_models()[0], config, SPEC, seed)


def transformer(network):
    """The transformer's tensors as published: with both names of the tied weight."""
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("tokenizer.")}
    return {**state, "head.weight": state["tok_emb.weight"]}


def tensors(content, network, part=""):
    return MaskGITLayout().tensors(Stored(Path("a file"), "pytorch", content), network, part)


@pytest.mark.parametrize("key", [None, "model_state_dict"])
def test_a_file_of_the_transformer_has_the_tied_weight_once(key):
    network = model()
    content = transformer(network) if key is None else {"iter": 1, key: transformer(network)}
    found = tensors(content, network)
    assert found.keys() == transformer(network).keys() - {"head.weight"}


def test_a_file_of_the_tokenizer_loses_its_discriminator():
    network = model()
    state = network.tokenizer.state_dict()
    found = tensors({"state_dict": {**state, "loss.discriminator.main.0.weight": torch.zeros(1)}}, network, "tokenizer")
    assert found.keys() == state.keys()


def test_a_head_without_an_embedding_is_kept_so_that_it_is_reported():
    assert "head.weight" in tensors({"head.weight": torch.zeros(2, 2)}, model())


def test_a_file_of_the_transformer_gets_the_tokenizer_that_the_settings_name(tmp_path):
    path = tmp_path / "tokenizer.safetensors"
    save_file(model(7).tokenizer.state_dict(), path)
    network = model(weights=str(path), sha256=cache.sha256(path))
    found = tensors(transformer(network), network)
    network.load_state_dict(dict(found), strict=True)
    assert torch.equal(found["tokenizer.quant_conv.weight"], model(7).tokenizer.quant_conv.weight)
    assert not any(name.startswith("tokenizer.") for name in tensors(transformer(model()), model()))


def test_published_presets_name_their_files_and_tokenizers():
    tiny = {name for name in PUBLISHED if "tiny" in name}
    for name in PUBLISHED.keys() - tiny:
        preset = PUBLISHED[name]
        config = preset.config
        assert isinstance(config, MaskGITConfig)
        assert config.preset == name.removeprefix("maskgit-")
        assert config.input_size * config.tokenizer.downsample == preset.spec.shape[1]
        assert config.tokenizer.preset in TOKENIZER_PRESETS
        assert [file.part for file in preset.files] in ([], ["", "tokenizer"])
    assert len(PUBLISHED["maskgit-v1-256"].files) == 2


@pytest.mark.parametrize("name", ["maskgit-tiny-v1", "maskgit-tiny-v2"])
def test_a_tiny_preset_is_built_and_has_the_parameters_that_it_says(name):
    preset = PUBLISHED[name]
    network = models.build(harness_models()[0], preset.config, preset.spec)
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad) == preset.parameters


@pytest.mark.parametrize("name", PRESETS)
def test_every_named_size_is_valid_and_has_the_side_that_it_names(name):
    config = MaskGITConfig(preset=name)
    generation, size = name.split("-")[:2]
    assert config.generation == generation
    assert config.input_size * 16 == int(size)
    assert config.hidden_dim % config.heads == 0


def test_the_small_size_of_the_published_code_is_no_preset_since_its_heads_do_not_divide_its_width():
    with pytest.raises(ValueError, match="no MaskGIT is called 'v2-256-small'; there are v1-256"):
        MaskGITConfig(preset="v2-256-small")


def test_what_is_given_beside_a_preset_wins():
    config = MaskGITConfig(preset="v2-384-large", depth=2, dropout=0.0)
    assert (config.depth, config.dropout, config.hidden_dim) == (2, 0.0, 1024)
    assert config.tokenizer.codebook_size == 16384


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (
            VQGANConfig,
            {"preset": "taming"},
            "no tokenizer is called 'taming'; there are taming-f16-1024, llamagen-ds16, llamagen-ds8",
        ),
        (MaskGITConfig, {"preset": 3}, "no MaskGIT is called 3; there are v1-256"),
        (MaskGITConfig, {"hidden_dim": 30, "heads": 4}, r"hidden_dim \(30\) is not a multiple of heads \(4\)"),
        (MaskGITConfig, {"tokeniser": {}}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_are_faults(cls, settings, message):
    with pytest.raises(ValueError, match=message):
        cls(**settings)


@pytest.mark.parametrize(
    ("settings", "has_unit_codes"),
    [
        ({}, True),
        ({"layout": "taming"}, False),
        ({"layout": "taming", "codebook_l2_norm": True}, True),
        ({"codebook_l2_norm": False}, False),
    ],
)
def test_codes_have_unit_length_by_the_layout_unless_the_setting_says_otherwise(settings, has_unit_codes):
    assert VQGANConfig(**settings).has_unit_codes == has_unit_codes
