"""ADM: multi-head attention at all sizes it is asked for, class labels behind the noise level, an output stage of its own."""

import pytest
import torch
from torch.nn import functional

from harness_edm import UNetConfig
from harness_edm.adm_unet import ADMUNet


def network(*, resolution=8, channels=2, classes=0, **settings):
    torch.manual_seed(0)
    settings = {"model_channels": 8, "channel_mult": (1, 2), "attn_resolutions": (4,), "head_channels": 8} | settings
    config = UNetConfig(architecture="adm", **settings)
    return ADMUNet(config, resolution=resolution, channels=channels, classes=classes).eval()


def embedding_of(model, labels=None, augment=None):
    """The activated embedding that a block is given."""
    seen = []
    model.enc["8x8_block0"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    with torch.no_grad():
        model(torch.zeros(1, 2, 8, 8), torch.tensor([0.2]), labels, augment)
    return seen[0]


def test_the_first_convolution_has_the_width_of_the_first_level():
    assert network(channel_mult=(3, 2)).enc["8x8_conv"].weight.shape == (24, 2, 3, 3)


def test_all_blocks_of_a_decoder_level_attend():
    attends = [name.removesuffix(".qkv.weight") for name in network().state_dict() if name.endswith("qkv.weight")]
    assert attends == ["enc.4x4_block0", "dec.4x4_in0", "dec.4x4_block0", "dec.4x4_block1"]


def test_blocks_narrower_than_a_head_have_no_attention():
    assert not any("qkv" in name for name in network(head_channels=None).state_dict())
    assert any("qkv" in name for name in network(head_channels=16).state_dict())


def test_heads_share_the_channels_of_a_block():
    assert network(head_channels=4).enc["4x4_block0"].heads == 4


def test_class_labels_are_added_behind_both_layers_of_the_noise_level_unscaled():
    model = network(classes=3)
    features = model.map_noise(torch.tensor([0.2]))
    hidden = model.map_layer1(functional.silu(model.map_layer0(features)))
    row = torch.tensor([[0.0, 1.0, 0.0]])
    torch.testing.assert_close(embedding_of(model, labels=row), functional.silu(hidden + model.map_label.weight[:, 1]))
    torch.testing.assert_close(embedding_of(model), functional.silu(hidden))


def test_augmentation_labels_are_added_before_the_layers_and_begin_without_effect():
    model, augment = network(augment_dim=2), torch.tensor([[1.0, -1.0]])
    assert torch.equal(embedding_of(model), embedding_of(model, augment=augment))
    with torch.no_grad():
        model.map_augment.weight.normal_()
    features = model.map_noise(torch.tensor([0.2])) + model.map_augment(augment)
    expected = functional.silu(model.map_layer1(functional.silu(model.map_layer0(features))))
    torch.testing.assert_close(embedding_of(model, augment=augment), expected)


def test_cosines_stay_before_sines():
    model, seen = network(), []
    model.map_layer0.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    embedding_of(model)
    torch.testing.assert_close(seen[0], model.map_noise(torch.tensor([0.2])))


def test_the_output_stage_is_beside_the_decoder_and_begins_at_zero():
    model = network()
    assert not any("aux" in name for name in model.state_dict())
    assert model.out_norm.eps == 1e-5
    with torch.no_grad():
        assert model(torch.randn(1, 2, 8, 8), torch.tensor([0.2])).abs().max() == 0


@pytest.mark.parametrize("name", ["enc.8x8_block0.conv1", "enc.4x4_block0.proj", "out_conv", "map_augment"])
def test_last_layers_of_branches_begin_at_zero(name):
    model = network(augment_dim=2)
    weights = {key: value for key, value in model.state_dict().items() if key.startswith(f"{name}.")}
    assert weights
    assert all(value.abs().max() == 0 for value in weights.values())


def test_class_weights_begin_as_a_standard_normal():
    assert network(classes=500).map_label.weight.std().item() == pytest.approx(1, abs=0.03)
