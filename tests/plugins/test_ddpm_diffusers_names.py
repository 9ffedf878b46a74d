"""The names of a DDPM network's weights in diffusers, there and back."""

import pytest
import torch
from published_layout import published

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.testing import models
from harness_ddpm import UNetConfig, harness_models
from harness_ddpm.diffusers_names import diffusers_name, to_diffusers, weights_from_diffusers
from harness_ddpm.presets import PRESETS

COMPONENT = next(component for component in harness_models() if component.name == "ddpm-unet")
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture
def weights():
    config = UNetConfig(ch=8, attn_resolutions=(4,), num_res_blocks=2)
    return models.build(COMPONENT, config, DataSpec((1, 8, 8), preview="images")).state_dict()


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("temb.dense.1.bias", "time_embedding.linear_2.bias"),
        ("conv_in.weight", "conv_in.weight"),
        ("down.2.block.1.temb_proj.weight", "down_blocks.2.resnets.1.time_emb_proj.weight"),
        ("down.0.block.0.nin_shortcut.bias", "down_blocks.0.resnets.0.conv_shortcut.bias"),
        ("down.1.downsample.conv.weight", "down_blocks.1.downsamplers.0.conv.weight"),
        ("up.0.block.2.norm1.weight", "up_blocks.3.resnets.2.norm1.weight"),
        ("up.3.upsample.conv.bias", "up_blocks.0.upsamplers.0.conv.bias"),
        ("mid.block_2.conv1.weight", "mid_block.resnets.1.conv1.weight"),
        ("mid.attn_1.norm.weight", "mid_block.attentions.0.group_norm.weight"),
        ("down.1.attn.0.q.weight", "down_blocks.1.attentions.0.to_q.weight"),
        ("up.2.attn.1.proj_out.bias", "up_blocks.1.attentions.1.to_out.0.bias"),
        ("norm_out.weight", "conv_norm_out.weight"),
    ],
)
def test_a_name_here_has_its_name_there_in_a_network_of_four_levels(here, there):
    assert diffusers_name(here, 4) == there


def test_no_two_names_become_the_same(weights):
    assert len({diffusers_name(name, 2) for name in weights}) == len(weights)


def test_names_and_shapes_are_those_of_the_published_file():
    with torch.device("meta"):
        network = COMPONENT.create(PRESETS["ddpm-cifar10"].config, PRESETS["ddpm-cifar10"].spec)
    renamed = {name: tuple(value.shape) for name, value in to_diffusers(network.state_dict(), levels=4).items()}
    assert renamed == published("ddpm/diffusers-ddpm-cifar10-32.keys.json.gz")


@pytest.mark.parametrize("is_old", [False, True], ids=["names of today", "names before 0.15"])
def test_weights_go_to_diffusers_and_back(weights, is_old):
    renamed = to_diffusers(weights, levels=2)
    if is_old:
        for new, before in OLD.items():
            renamed = {name.replace(f".{new}.", f".{before}."): value for name, value in renamed.items()}
    back = weights_from_diffusers(renamed, weights)
    assert list(back) == list(weights)
    assert all(torch.equal(back[name], value) for name, value in weights.items())


def test_the_same_weights_compute_the_same_in_diffusers(weights):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=[8, 8], layers_per_block=2,
        down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
        norm_num_groups=4, norm_eps=1e-6, attention_head_dim=None, freq_shift=1, flip_sin_to_cos=False, downsample_padding=0,
    ).eval()  # fmt: skip
    model = COMPONENT.create(UNetConfig(ch=8, attn_resolutions=(4,), num_res_blocks=2), DataSpec((1, 8, 8))).eval()
    model.load_state_dict(weights)
    theirs.load_state_dict(to_diffusers(weights, levels=2), strict=True)
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([0, 10, 999])
    # Two orders of adding the same numbers, over some twenty layers.
    torch.testing.assert_close(model(x, t), theirs(x, t).sample, rtol=0, atol=2e-5)


def test_what_a_file_lacks_or_has_too_much_is_named(weights):
    renamed = to_diffusers(weights, levels=2)
    with pytest.raises(UserError, match=r"have extra\.weight, which this network has not"):
        weights_from_diffusers({**renamed, "extra.weight": torch.zeros(1)}, weights)
    del renamed["conv_norm_out.bias"]
    with pytest.raises(UserError, match=r"have no conv_norm_out\.bias, which would be norm_out\.bias"):
        weights_from_diffusers(renamed, weights)


def test_of_many_left_over_tensors_five_are_named(weights):
    extra = {f"extra.{index}": torch.zeros(1) for index in range(9)}
    with pytest.raises(UserError, match=r"have extra\.0, extra\.1, extra\.2, extra\.3, extra\.4, which"):
        weights_from_diffusers({**to_diffusers(weights, levels=2), **extra}, weights)


def test_a_tensor_of_another_size_is_left_to_who_compares_shapes(weights):
    renamed = to_diffusers(weights, levels=2)
    renamed["conv_in.bias"] = torch.zeros(5)
    assert weights_from_diffusers(renamed, weights)["conv_in.bias"].shape == (5,)
