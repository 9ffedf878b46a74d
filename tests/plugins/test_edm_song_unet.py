"""DDPM++ and NCSN++: the pyramid of the input, features of the noise level, where blocks attend, and the output stage."""

import pytest
import torch
from torch.nn import functional

from harness_edm import UNetConfig
from harness_edm.block import SQRT_HALF
from harness_edm.song_unet import SongUNet


def network(architecture="ddpm++", *, resolution=8, channels=2, classes=0, **settings):
    torch.manual_seed(0)
    settings = {"model_channels": 8, "channel_mult": (1, 2), "attn_resolutions": (4,)} | settings
    config = UNetConfig(architecture=architecture, **settings)
    return SongUNet(config, resolution=resolution, channels=channels, classes=classes).eval()


def run(model, x, labels=None, augment=None):
    with torch.no_grad():
        return model(x, torch.tensor([0.2]), labels, augment)


def test_the_first_convolution_has_a_width_of_its_own():
    model = network(channel_mult=(3, 2))
    assert model.enc["8x8_conv"].weight.shape == (8, 2, 3, 3)
    assert model.enc["8x8_block0"].conv0.weight.shape == (24, 8, 3, 3)


def test_only_ncsnpp_has_a_pyramid_one_entry_behind_each_halving():
    plain, pyramid = (list(network(name, channel_mult=(1, 2, 2)).enc) for name in ("ddpm++", "ncsn++"))
    extra = [name for name in pyramid if name not in plain]
    assert extra == ["4x4_aux_residual", "2x2_aux_residual"]
    assert [pyramid[pyramid.index(name) - 1] for name in extra] == ["4x4_down", "2x2_down"]


def test_a_level_of_the_pyramid_is_made_from_the_entry_of_the_level_before():
    model = network("ncsn++", channel_mult=(1, 2, 3))
    # From the images themselves, and then from the width before the level's blocks widen it.
    assert model.enc["4x4_aux_residual"].weight.shape == (8, 2, 3, 3)
    assert model.enc["2x2_aux_residual"].weight.shape == (16, 8, 3, 3)


def test_the_pyramid_replaces_the_skip_and_is_scaled():
    model, x = network("ncsn++"), torch.randn(1, 2, 8, 8)
    outputs = {}
    for name in ("4x4_down", "4x4_block0"):
        model.enc[name].register_forward_hook(lambda _, inputs, output, name=name: outputs.update({name: (inputs[0], output)}))
    run(model, x)
    expected = (outputs["4x4_down"][1] + model.enc["4x4_aux_residual"](x)) * SQRT_HALF
    torch.testing.assert_close(outputs["4x4_block0"][0], expected)
    # The decoder's last block of that level takes the same sum as its skip: 16 channels of its own, then the 8 of the sum.
    joined = []
    model.dec["4x4_block1"].register_forward_hook(lambda _, inputs, __: joined.append(inputs[0]))
    run(model, x)
    torch.testing.assert_close(joined[0][:, 16:], expected)


def test_only_the_last_block_of_a_decoder_level_attends():
    model = network(num_blocks=2)
    attends = [name for name in model.state_dict() if name.endswith("qkv.weight")]
    assert attends == [
        "enc.4x4_block0.qkv.weight",
        "enc.4x4_block1.qkv.weight",
        "dec.4x4_in0.qkv.weight",
        "dec.4x4_block2.qkv.weight",
    ]


def test_sines_come_before_cosines():
    model, seen = network(), []
    model.map_layer0.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run(model, torch.randn(1, 2, 8, 8))
    cosine, sine = model.map_noise(torch.tensor([0.2])).chunk(2, dim=1)
    torch.testing.assert_close(seen[0], torch.cat([sine, cosine], dim=1))


@pytest.mark.parametrize(("architecture", "features"), [("ddpm++", 8), ("ncsn++", 16)])
def test_ncsnpp_has_twice_as_many_features_of_the_noise_level(architecture, features):
    assert network(architecture).map_layer0.weight.shape == (32, features)


def test_class_labels_are_scaled_by_the_root_of_their_number():
    model, seen = network(classes=4), []
    model.map_label.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run(model, torch.randn(1, 2, 8, 8), labels=torch.tensor([[0.0, 1, 0, 0]]))
    torch.testing.assert_close(seen[0], torch.tensor([[0.0, 2, 0, 0]]))


def test_labels_have_a_bias_and_augmentation_has_none():
    names = network(classes=4, augment_dim=3).state_dict()
    assert "map_label.bias" in names
    assert "map_augment.weight" in names
    assert "map_augment.bias" not in names


def test_the_output_stage_stands_among_the_decoders_entries_and_runs_last():
    model, x = network(), torch.randn(1, 2, 8, 8)
    assert list(model.dec)[-2:] == ["8x8_aux_norm", "8x8_aux_conv"]
    last = []
    model.dec["8x8_block1"].register_forward_hook(lambda _, __, output: last.append(output))
    out = run(model, x)
    expected = model.dec["8x8_aux_conv"](functional.silu(model.dec["8x8_aux_norm"](last[0])))
    torch.testing.assert_close(out, expected)


def test_initial_weights_are_glorots_with_small_last_layers():
    model = network(channel_mult=(4, 4), num_blocks=1)
    block = model.enc["8x8_block0"]
    fan_in, fan_out = block.conv0.weight[0].numel(), block.conv0.weight.shape[0] * 9
    bound = (6 / (fan_in + fan_out)) ** 0.5
    assert bound * 0.98 < block.conv0.weight.abs().max() <= bound
    assert block.conv1.weight.abs().max() < 1e-5
    assert model.dec["8x8_aux_conv"].weight.abs().max() < 1e-5
    qkv = model.dec["4x4_in0"].qkv.weight
    bound = (0.2 * 6 / (32 + 96)) ** 0.5
    assert bound * 0.95 < qkv.abs().max() <= bound
