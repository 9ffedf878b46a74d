"""EDM's denoiser of images: contract, conditioning, augmentation, dropout. Agreement with the reference is in tests/parity."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness_edm import UNetConfig, harness_models
from harness_edm.adm_unet import ADMUNet
from harness_edm.song_unet import SongUNet
from harness_edm.unet import build

COMPONENT = next(component for component in harness_models() if component.name == "edm-unet")
IMAGES = DataSpec((1, 8, 8), classes=3, preview="images")
TINY = {"model_channels": 8, "attn_resolutions": (4,)}
ARCHITECTURES = pytest.mark.parametrize("architecture", ["ddpm++", "ncsn++", "adm"])


def tiny(spec=IMAGES, **settings):
    return models.build(COMPONENT, UNetConfig(**TINY | settings), spec)


def wake(model):
    """Give the layers that begin at or near zero some weight, so that all inputs matter."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_the_default_network_is_tiny():
    assert sum(parameter.numel() for parameter in build(UNetConfig(), IMAGES).parameters()) < 100_000


@ARCHITECTURES
def test_every_architecture_keeps_the_contract(architecture):
    config = UNetConfig(**TINY, architecture=architecture, head_channels=4, augment_dim=9)
    models.check_model(COMPONENT, config=config, spec=IMAGES)


def test_the_architecture_decides_the_network_and_its_names_stand_behind_a_prefix():
    assert isinstance(tiny(architecture="adm").model, ADMUNet)
    assert isinstance(tiny(architecture="ddpm++").model, SongUNet)
    assert all(name.startswith("model.") for name in tiny().state_dict())


@ARCHITECTURES
def test_an_untrained_network_scales_its_input_by_the_skip_alone(architecture):
    # Output layers begin at or near zero, so D begins as c_skip x, the best guess that needs no network.
    model, x = tiny(architecture=architecture), torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(model.denoise(x, torch.tensor(0.5), None), x / 2, rtol=0, atol=1e-3)


@ARCHITECTURES
def test_labels_matter_and_their_absence_is_a_row_of_zeros(architecture):
    model = wake(tiny(architecture=architecture))
    x, sigma = torch.randn(3, 1, 8, 8), torch.tensor([0.1, 0.5, 2.0])
    labelled = model.denoise(x, sigma, torch.tensor([0, 1, 2]))
    free = model.denoise(x, sigma, None)
    assert (labelled - free).flatten(1).abs().amax(1).min() > 1e-4
    torch.testing.assert_close(free, model(x, sigma, torch.zeros(3, 3)))


@ARCHITECTURES
def test_augmentation_labels_of_zero_are_none(architecture):
    model = wake(tiny(architecture=architecture, augment_dim=9))
    x, sigma = torch.randn(2, 1, 8, 8), torch.tensor([0.1, 2.0])
    torch.testing.assert_close(model(x, sigma), model(x, sigma, None, torch.zeros(2, 9)))
    assert (model(x, sigma) - model(x, sigma, None, torch.ones(2, 9))).abs().max() > 1e-4


def test_an_unconditional_network_on_data_with_classes_has_a_chain():
    model = tiny(is_conditional=False)
    assert not any("map_label" in name for name in model.state_dict())
    assert model.transition(torch.randn(2, 1, 8, 8), 3).mean.shape == (2, 1, 8, 8)


def test_dropout_repeats_with_its_draw_and_leaves_torchs_randomness_alone():
    model = wake(tiny(dropout=0.5)).train()
    x = torch.randn(4, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    before = torch.get_rng_state()
    first = model.log_likelihood(x, None, draw)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(7)
    assert torch.equal(first, model.log_likelihood(x, None, draw))
    assert not torch.equal(first, model.log_likelihood(x, None, draw._replace(seed=draw.seed + 1)))
    assert not torch.equal(first, model.eval().log_likelihood(x, None, draw))


def test_without_dropout_a_draw_is_a_level_and_noise():
    sigma, noise = tiny().train().draw(torch.zeros(2, 1, 8, 8), stream(0, "draw"))
    assert sigma.shape == (2,)
    assert noise.shape == (2, 1, 8, 8)


def test_data_that_do_not_fit_are_the_users_mistake():
    with pytest.raises(UserError, match="model edm-unet: needs square images"):
        build(UNetConfig(), DataSpec((2,)))


@ARCHITECTURES
def test_on_patches_every_architecture_keeps_the_contract_and_sees_pixels_as_channels(architecture):
    config = UNetConfig(**TINY, architecture=architecture, head_channels=4, patch=2)
    models.check_model(COMPONENT, config=config, spec=IMAGES)
    shapes = []
    model = build(config, IMAGES)
    model.model.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    assert model.denoise(torch.randn(3, 1, 8, 8), torch.tensor(1.0), None).shape == (3, 1, 8, 8)
    assert shapes == [(3, 4, 4, 4)]


def test_keys_of_networks_without_patches_do_not_know_of_them():
    assert "patch" not in UNetConfig(patch=1).identity
    assert UNetConfig(patch=2).identity["patch"] == 2
