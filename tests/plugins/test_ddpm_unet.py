"""The U-Net of Ho et al., part by part. Agreement of the whole with the reference is in tests/parity."""

import math

import pytest
import torch
from torch.nn import functional

from harness_ddpm import UNetConfig
from harness_ddpm.unet import Attention, Level, Middle, NoiseUNet, Resampler, ResidualBlock, TimeEmbedding

CONFIG = UNetConfig(ch=8, ch_mult=(1, 2), num_res_blocks=1, attn_resolutions=(4,), norm_groups=4)


def network(resolution=8, channels=2, **settings):
    torch.manual_seed(0)
    return NoiseUNet(CONFIG.model_copy(update=settings), resolution=resolution, channels=channels).eval()


def test_frequencies_fall_from_one_to_the_ten_thousandth_sines_first():
    features = TimeEmbedding(8).features(torch.tensor([3.5]))
    angles = 3.5 * 10_000.0 ** -torch.tensor([0, 1 / 3, 2 / 3, 1])
    torch.testing.assert_close(features, torch.cat([angles.sin(), angles.cos()])[None], rtol=1e-4, atol=1e-6)


def test_the_embedding_is_two_layers_with_an_activation_between():
    embedding, t = TimeEmbedding(8), torch.tensor([0.0, 2.0])
    hidden = functional.silu(embedding.features(t) @ embedding.dense[0].weight.T + embedding.dense[0].bias)
    torch.testing.assert_close(embedding(t), hidden @ embedding.dense[1].weight.T + embedding.dense[1].bias)


def test_a_block_adds_the_step_between_its_convolutions():
    block, x, e = ResidualBlock(CONFIG, 8, 12), torch.randn(2, 8, 4, 4), torch.randn(2, 32)
    hidden = block.conv1(functional.silu(block.norm1(x))) + block.temb_proj(e)[:, :, None, None]
    assert block.nin_shortcut is not None
    expected = block.nin_shortcut(x) + block.conv2(functional.silu(block.norm2(hidden)))
    torch.testing.assert_close(block(x, e), expected)


def test_with_equal_channels_the_shortcut_is_the_input_itself():
    block, x = ResidualBlock(CONFIG, 8, 8), torch.randn(2, 8, 4, 4)
    assert block.nin_shortcut is None
    with torch.no_grad():
        block.conv2.weight.zero_()
        block.conv2.bias.zero_()
    torch.testing.assert_close(block(x, torch.randn(2, 32)), x)


def test_attention_is_softmax_over_all_pixels_with_one_head():
    attention, x = Attention(CONFIG, 8), torch.randn(2, 8, 3, 2)
    hidden = attention.norm(x)
    q, k, v = (layer(hidden).flatten(2) for layer in (attention.q, attention.k, attention.v))
    shares = torch.softmax(torch.einsum("bci,bcj->bij", q, k) / math.sqrt(8), dim=2)
    mixed = torch.einsum("bij,bcj->bci", shares, v).view(2, 8, 3, 2)
    torch.testing.assert_close(attention(x), x + attention.proj_out(mixed), rtol=1e-4, atol=1e-5)


def test_halving_pads_on_the_right_and_below_only():
    halve, x = Resampler(2, doubles=False), torch.randn(1, 2, 6, 6)
    out = halve(x)
    assert out.shape == (1, 2, 3, 3)
    first = (halve.conv.weight * x[:, :, :3, :3]).sum((1, 2, 3)) + halve.conv.bias
    torch.testing.assert_close(out[0, :, 0, 0], first)
    corner = functional.pad(x[:, :, 4:, 4:], (0, 1, 0, 1))
    torch.testing.assert_close(out[0, :, 2, 2], (halve.conv.weight * corner).sum((1, 2, 3)) + halve.conv.bias)


def test_doubling_repeats_pixels_and_convolves():
    double, x = Resampler(2, doubles=True), torch.randn(1, 2, 3, 3)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(double(x), functional.conv2d(repeated, double.conv.weight, double.conv.bias, padding=1))


@pytest.mark.parametrize(("side", "attends"), [(4, True), (8, False)])
def test_all_blocks_of_a_level_attend_or_none_does(side, attends):
    level = Level(CONFIG, [8, 16], 16, side)
    assert [block.conv1.in_channels for block in level.block] == [8, 16]
    assert len(level.attn) == (2 if attends else 0)
    x, e = torch.randn(1, 8, side, side), torch.randn(1, 32)
    expected = level.block[0](x, e)
    torch.testing.assert_close(level.run(0, x, e), level.attn[0](expected) if attends else expected)


def test_the_middle_attends_whatever_the_sizes_say():
    middle, x, e = Middle(CONFIG.model_copy(update={"attn_resolutions": ()}), 8), torch.randn(1, 8, 4, 4), torch.randn(1, 32)
    torch.testing.assert_close(middle(x, e), middle.block_2(middle.attn_1(middle.block_1(x, e)), e))


def test_levels_are_named_by_resolution_on_both_ways():
    names = network(ch_mult=(1, 2, 2), num_res_blocks=2, attn_resolutions=(4,)).state_dict()
    assert {name.split(".")[1] for name in names if name.startswith("up.")} == {"0", "1", "2"}
    attends = {".".join(name.split(".")[:2]) for name in names if ".attn." in name}
    assert attends == {"down.1", "up.1"}
    resamples = sorted({".".join(name.split(".")[:3]) for name in names if "sample" in name})
    assert resamples == ["down.0.downsample", "down.1.downsample", "up.1.upsample", "up.2.upsample"]


def test_each_block_on_the_way_up_takes_one_skip():
    model = network(ch_mult=(1, 2), num_res_blocks=2)
    # Skips, finest first: 8 (the first convolution), 8, 8, 8 (halved), 16, 16. The last is taken first.
    assert [block.conv1.in_channels for block in model.up[1].block] == [16 + 16, 16 + 16, 16 + 8]
    assert [block.conv1.in_channels for block in model.up[0].block] == [16 + 8, 8 + 8, 8 + 8]


def test_every_skip_reaches_the_output():
    model, x = network(), torch.randn(1, 2, 8, 8)
    taken = []
    for level in (1, 0):
        for block in model.up[level].block:
            block.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0].shape[1:]))
    left = []
    for module in (model.conv_in, model.down[0].block[0], model.down[0].downsample, model.down[1].attn[0]):
        module.register_forward_hook(lambda _, __, output: left.append(output))
    with torch.no_grad():
        model(x, 1)
    assert len(left) == len(taken) == 4
    assert [tuple(shape) for shape in taken] == [(32, 4, 4), (24, 4, 4), (24, 8, 8), (16, 8, 8)]


def test_the_step_may_be_fractional_and_one_for_all():
    model, x = network(), torch.randn(3, 2, 8, 8)
    torch.testing.assert_close(model(x, 2.5), model(x, torch.full((3,), 2.5)))
    torch.testing.assert_close(model(x, 2), model(x, 2.0))
    assert (model(x, 2.5) - model(x, 2)).abs().max() > 1e-7


def test_examples_do_not_see_each_other():
    model, x, t = network(), torch.randn(3, 2, 8, 8), torch.tensor([0, 5, 9])
    torch.testing.assert_close(model(x, t)[1:2], model(x[1:2], 5), rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only():
    model, x = network(dropout=0.5), torch.randn(1, 2, 8, 8)
    assert torch.equal(model(x, 1), model(x, 1))
    model.train()
    assert not torch.equal(model(x, 1), model(x, 1))
