"""EDM2's U-Net: the block against its equations in both flavours, the embedding, and how the parts are put together."""

import math

import pytest
import torch

from harness.toolkit.feature_maps import resample, self_attention, smoothing_kernel
from harness_edm2 import EDM2Config
from harness_edm2.layers import concatenate, normalise, silu, weighted_sum
from harness_edm2.unet import Block, UNet

CONFIG = EDM2Config(model_channels=4, channel_mult=(1, 2), attn_resolutions=(4,), channels_per_head=4, clip_act=None)


def block(inputs, outputs, flavour, config=CONFIG, **kinds):
    torch.manual_seed(0)
    made = Block(config, inputs, outputs, 6, flavour=flavour, **kinds).eval()
    with torch.no_grad():
        made.emb_gain.fill_(0.7)
    return made


def inputs(channels, side=4):
    return torch.randn(2, channels, side, side), torch.randn(2, 6)


def branch(made, x, e):
    hidden = made.conv_res0(silu(x))
    hidden = silu(hidden * (1 + made.emb_linear(e, made.emb_gain))[:, :, None, None])
    return made.conv_res1(hidden)


def test_an_encoder_block_widens_and_normalises_its_main_path_first():
    made, (x, e) = block(4, 8, "enc"), inputs(4)
    main = normalise(made.conv_skip(x), [1])
    torch.testing.assert_close(made(x, e), weighted_sum(main, branch(made, main, e), 0.3))


def test_a_decoder_block_widens_its_main_path_last():
    made, (x, e) = block(8, 4, "dec"), inputs(8)
    torch.testing.assert_close(made(x, e), weighted_sum(made.conv_skip(x), branch(made, x, e), 0.3))


@pytest.mark.parametrize("flavour", ["enc", "dec"])
def test_with_equal_channels_there_is_no_convolution_on_the_main_path(flavour):
    made, (x, e) = block(4, 4, flavour), inputs(4)
    assert made.conv_skip is None
    main = normalise(x, [1]) if flavour == "enc" else x
    torch.testing.assert_close(made(x, e), weighted_sum(main, branch(made, main, e), 0.3))


@pytest.mark.parametrize(("way", "side"), [("down", 2), ("up", 8)])
def test_resampling_comes_before_everything(way, side):
    made, (x, e) = block(4, 4, "dec", resample=way), inputs(4)
    small = resample(x, smoothing_kernel((1, 1)), way)
    assert made(x, e).shape == (2, 4, side, side)
    torch.testing.assert_close(made(x, e), weighted_sum(small, branch(made, small, e), 0.3))


def test_attention_normalises_queries_keys_and_values_over_the_channels_of_a_head():
    made, (x, e) = block(8, 8, "dec", attention=True), inputs(8)
    assert made.heads == 2
    before = weighted_sum(x, branch(made, x, e), 0.3)
    mixed = self_attention(made.attn_qkv(before), 2, prepare=lambda parts: normalise(parts, [2]))
    torch.testing.assert_close(made(x, e), weighted_sum(before, made.attn_proj(mixed), 0.3))


def test_blocks_narrower_than_a_head_have_no_attention():
    made = block(4, 4, "dec", CONFIG.model_copy(update={"channels_per_head": 8}), attention=True)
    assert made.heads == 0
    assert not any("attn" in name for name in made.state_dict())


def test_without_a_gain_the_embedding_changes_nothing():
    made, (x, e) = block(4, 4, "enc"), inputs(4)
    with torch.no_grad():
        made.emb_gain.zero_()
    torch.testing.assert_close(made(x, e), made(x, 2 * e + 1))


def test_activations_are_clipped_behind_the_block():
    made, (x, e) = block(4, 4, "dec", CONFIG.model_copy(update={"clip_act": 0.1})), inputs(4)
    out = made(x, e)
    assert out.abs().max() <= 0.1
    torch.testing.assert_close(out, block(4, 4, "dec")(x, e).clamp(-0.1, 0.1))


@pytest.mark.parametrize("balance", ["res_balance", "attn_balance"])
def test_a_balance_of_zero_leaves_its_branch_out(balance):
    config = CONFIG.model_copy(update={"res_balance": 0.0, "attn_balance": 0.0} | {balance: 0.5})
    made, (x, e) = block(8, 8, "dec", config, attention=True), inputs(8)
    assert not torch.equal(made(x, e), x)
    none = block(8, 8, "dec", config.model_copy(update={balance: 0.0}), attention=True)
    torch.testing.assert_close(none(x, e), x)


def network(resolution=8, channels=2, classes=0, **changes):
    torch.manual_seed(0)
    model = UNet(CONFIG.model_copy(update=changes), resolution=resolution, channels=channels, classes=classes).eval()
    with torch.no_grad():
        model.out_gain.fill_(1.0)
    return model


def run(model, x, labels=None):
    with torch.no_grad():
        return model(x, torch.tensor([0.2]), labels)


def test_an_untrained_network_gives_nothing():
    model = UNet(CONFIG, resolution=8, channels=2, classes=0)
    assert run(model, torch.randn(1, 2, 8, 8)).abs().max() == 0


def test_a_channel_of_ones_stands_in_for_biases():
    model, seen = network(), []
    model.enc["8x8_conv"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(3, 2, 8, 8)
    run(model, x)
    torch.testing.assert_close(seen[0], torch.cat([x, torch.ones(3, 1, 8, 8)], dim=1))
    assert not any("bias" in name for name in model.state_dict())


def test_skips_are_joined_by_the_balance_of_the_settings():
    model, joined, left = network(concat_balance=0.2), [], {}
    model.dec["8x8_block1"].register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0]))
    model.enc["8x8_conv"].register_forward_hook(lambda _, __, output: left.update(skip=output))
    model.dec["8x8_block0"].register_forward_hook(lambda _, __, output: left.update(main=output))
    run(model, torch.randn(1, 2, 8, 8))
    torch.testing.assert_close(joined[0], concatenate(left["main"], left["skip"], 0.2))


def test_all_blocks_of_a_level_attend_on_both_ways():
    attends = [name.removesuffix(".attn_qkv.weight") for name in network().state_dict() if name.endswith("attn_qkv.weight")]
    assert attends == ["enc.4x4_block0", "dec.4x4_in0", "dec.4x4_block0", "dec.4x4_block1"]


@pytest.mark.parametrize(
    ("changes", "features", "embedding"),
    [({}, 4, 8), ({"channel_mult_noise": 3}, 12, 8), ({"channel_mult_emb": 5}, 4, 20), ({"channel_mult": (3, 2)}, 12, 12)],
    ids=str,
)
def test_widths_of_the_embedding_follow_the_levels_unless_they_are_written(changes, features, embedding):
    assert network(**changes).emb_noise.weight.shape == (embedding, features)


def test_the_class_is_summed_with_the_noise_level():
    model, seen = network(classes=4, label_balance=0.3), []
    model.enc["8x8_block0"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    x, row = torch.randn(1, 2, 8, 8), torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    run(model, x, row)
    run(model, x, 0 * row)
    noise = model.emb_noise(model.emb_fourier(torch.tensor([0.2])))
    torch.testing.assert_close(seen[0], silu(weighted_sum(noise, model.emb_label(2 * row), 0.3)))
    # Without a class the noise level alone is not of unit magnitude: the sum is there all the same.
    torch.testing.assert_close(seen[1], silu(0.7 * noise / math.hypot(0.3, 0.7)))


def test_examples_do_not_see_each_other():
    model, x = network(), torch.randn(3, 2, 8, 8)
    torch.testing.assert_close(run(model, x)[1:2], run(model, x[1:2]), rtol=1e-4, atol=1e-5)
