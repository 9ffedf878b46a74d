"""The residual block of the EDM networks: its two ways of taking the noise level, its shortcut, and its attention."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from harness.toolkit.feature_maps import self_attention
from harness_edm.block import SQRT_HALF, BlockStyle, ResidualBlock
from harness_edm.layers import glorot


def style(**changes):
    plain = BlockStyle(
        embedding=6, eps=1e-5, initialise=glorot(), initialise_last=glorot(), initialise_qkv=glorot(),
        dropout=0.0, skip_scale=SQRT_HALF, scales_adaptively=False, projects_resampled=True,
        taps=(1, 1), channels_per_head=None,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def inputs(channels=8):
    return torch.randn(2, channels, 4, 4), torch.randn(2, 6)


def test_the_embedding_is_added_before_the_second_normalisation():
    block, (x, e) = ResidualBlock(8, 12, style()), inputs()
    h = block.conv0(functional.silu(block.norm0(x)))
    h = functional.silu(block.norm1(h + block.affine(e)[:, :, None, None]))
    assert block.skip is not None
    expected = (block.conv1(h) + block.skip(x)) * SQRT_HALF
    torch.testing.assert_close(block(x, e), expected)


def test_adaptively_the_embedding_scales_and_shifts_after_it():
    block, (x, e) = ResidualBlock(8, 12, style(scales_adaptively=True, skip_scale=1.0)), inputs()
    scale, shift = block.affine(e)[:, :12, None, None], block.affine(e)[:, 12:, None, None]
    h = block.conv0(functional.silu(block.norm0(x)))
    h = functional.silu(block.norm1(h) * (1 + scale) + shift)
    assert block.skip is not None
    torch.testing.assert_close(block(x, e), block.conv1(h) + block.skip(x), rtol=1e-4, atol=1e-5)


def test_with_equal_channels_the_shortcut_is_the_input_itself():
    block, (x, e) = ResidualBlock(8, 8, style(skip_scale=1.0)), inputs()
    assert block.skip is None
    with torch.no_grad():
        block.conv1.weight.zero_()
    torch.testing.assert_close(block(x, e), x)


@pytest.mark.parametrize(("projects", "names"), [(True, {"weight", "bias", "resample_filter"}), (False, {"resample_filter"})])
def test_a_shortcut_that_only_resamples_has_a_convolution_in_ddpmpp_and_none_in_adm(projects, names):
    block = ResidualBlock(8, 8, style(projects_resampled=projects), resample="down")
    assert set(block.skip.state_dict()) == names
    assert block(*inputs()).shape == (2, 8, 2, 2)
    assert ResidualBlock(8, 12, style(projects_resampled=projects), resample="down").skip.weight is not None


def test_attention_is_added_behind_the_block_and_scaled_too():
    block, (x, e) = ResidualBlock(8, 8, style(), attention=True), inputs()
    plain = ResidualBlock(8, 8, style())
    plain.load_state_dict({name: value for name, value in block.state_dict().items() if name in plain.state_dict()})
    before = plain(x, e)
    mixed = self_attention(block.qkv(block.norm2(before)), 1)
    torch.testing.assert_close(block(x, e), (block.proj(mixed) + before) * SQRT_HALF)


@pytest.mark.parametrize(("per_head", "heads"), [(None, 1), (4, 2), (8, 1), (16, 0)])
def test_heads_have_their_channels_and_a_narrow_block_has_none(per_head, heads):
    block = ResidualBlock(8, 8, style(channels_per_head=per_head), attention=True)
    assert block.heads == heads
    assert ("qkv.weight" in block.state_dict()) == (heads > 0)
    assert block(*inputs()).shape == (2, 8, 4, 4)


def test_a_block_attends_only_where_it_is_asked_to():
    assert ResidualBlock(8, 8, style()).heads == 0


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    block, (x, e) = ResidualBlock(8, 8, style(dropout=0.5)), inputs()
    assert not torch.equal(block.train()(x, e), block(x, e))
    assert torch.equal(block.eval()(x, e), block(x, e))


def test_one_embedding_broadcasts_over_the_batch():
    block, (x, e) = ResidualBlock(8, 8, style()), inputs()
    torch.testing.assert_close(block(x, e[:1]), block(x, e[:1].expand(2, -1)))
