"""EDM for images: presets, settings, conditioning, dropout. Agreement with the reference is in tests/parity."""

import importlib.util
from pathlib import Path

import pydantic
import pytest
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness_edm import UNetConfig, harness_models
from harness_edm.layers import Conv, FourierEmbedding, PositionalEmbedding, glorot, reciprocal, smoothing_kernel
from harness_edm.presets import PRESETS
from harness_edm.published import from_arguments
from harness_edm.unet import build

_spec = importlib.util.spec_from_file_location("published_layout", Path(__file__).with_name("published_layout.py"))
layout = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layout)

COMPONENT = next(one for one in harness_models() if one.name == "edm-unet")
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


@pytest.mark.parametrize("name", [name for name in PRESETS if "tiny" not in name])
def test_a_preset_has_the_published_names_and_shapes(name):
    preset = PRESETS[name]
    layout.check_layout(preset, build, f"edm/{preset.files[0].name.removesuffix('.pkl')}.keys.json.gz")


def test_the_default_network_is_tiny():
    assert sum(parameter.numel() for parameter in build(UNetConfig(), IMAGES).parameters()) < 100_000


@ARCHITECTURES
def test_every_architecture_keeps_the_contract(architecture):
    config = UNetConfig(**TINY, architecture=architecture, head_channels=4)
    models.check_model(COMPONENT, config=config, spec=IMAGES)


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


def test_adm_blocks_narrower_than_a_head_have_no_attention():
    names = tiny(architecture="adm").state_dict()
    assert not any("qkv" in name for name in names)
    names = tiny(architecture="adm", head_channels=8).state_dict()
    assert any("qkv" in name for name in names)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (DataSpec((2,)), "needs square images"),
        (DataSpec((3, 8, 4)), "needs square images"),
        (DataSpec((3, 7, 7)), "need a size divisible by 2"),
    ],
)
def test_data_that_does_not_fit_is_the_users_mistake(spec, message):
    with pytest.raises(UserError, match=message):
        build(UNetConfig(), spec)


@pytest.mark.parametrize("settings", [{"embedding": "fourier"}, {"encoder": "residual"}, {"channel_mult_noise": 2}])
def test_adm_rejects_what_it_has_not(settings):
    with pytest.raises(pydantic.ValidationError, match="adm has"):
        UNetConfig(architecture="adm", **settings)


def test_published_arguments_become_settings():
    config, spec = from_arguments(
        {"img_resolution": 16, "img_channels": 3, "label_dim": 5, "model_type": "SongUNet", "use_fp16": True}
    )
    assert spec == DataSpec((3, 16, 16), classes=5, preview="images")
    assert (config.channel_mult, config.num_blocks, config.dropout) == ((1, 2, 2, 2), 4, 0.10)


def test_unknown_arguments_of_a_published_network_are_named():
    with pytest.raises(UserError, match="not known here: twist"):
        from_arguments({"img_resolution": 16, "img_channels": 3, "model_type": "SongUNet", "twist": 1})


def test_doubling_by_two_taps_is_nearest_and_halving_the_mean():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    up, down = (Conv(1, 1, 0, glorot(), resample=way)(x) for way in ("up", "down"))
    torch.testing.assert_close(up, x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(down, torch.tensor([[2.5, 4.5], [10.5, 12.5]])[None, None])


def test_the_smoothing_kernel_has_unit_sum():
    kernel = smoothing_kernel([1, 3, 3, 1])
    assert kernel.shape == (1, 1, 4, 4)
    assert kernel.sum().item() == pytest.approx(1)
    assert kernel[0, 0, 1, 2].item() == pytest.approx(9 / 64)


def test_frequencies_run_from_one_to_the_ten_thousandth():
    ends = PositionalEmbedding(8, reaches_end=True)(torch.tensor([1.0]))[0, 4:]
    stops = PositionalEmbedding(8, reaches_end=False)(torch.tensor([1.0]))[0, 4:]
    torch.testing.assert_close(ends, torch.sin(torch.tensor([1, 10 ** (-4 / 3), 10 ** (-8 / 3), 1e-4])))
    torch.testing.assert_close(stops, torch.sin(torch.tensor([1, 0.1, 0.01, 0.001])))


def test_initial_weights_have_the_published_scales():
    torch.manual_seed(0)
    weight, bias = torch.empty(64, 32, 3, 3), torch.empty(64)
    glorot(0.5)(weight, bias)
    bound = 0.5 * (6 / (32 * 9 + 64 * 9)) ** 0.5
    assert bias.abs().max() == 0
    assert bound * 0.98 < weight.abs().max() <= bound
    reciprocal()(weight, bias)
    bound = (32 * 9) ** -0.5
    assert bound * 0.98 < weight.abs().max() <= bound
    assert bound * 0.8 < bias.abs().max() <= bound
    assert FourierEmbedding(4000).freqs.std().item() == pytest.approx(16, rel=0.05)
