"""A chain around diffusers' own U-Net: contract, real-valued times, and what the library refuses."""

import copy

import pytest
import torch

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness_diffusers import UNet2DConfig, harness_models
from harness_diffusers.check import fits
from harness_diffusers.presets import TINY

pytest.importorskip("diffusers")

from harness_diffusers.model import build

COMPONENT = harness_models()[0]
IMAGES = DataSpec((1, 8, 8), preview="images")


def tiny(**settings):
    return models.build(COMPONENT, UNet2DConfig(**settings), IMAGES)


def test_it_keeps_the_contract():
    models.check_model(COMPONENT, config=TINY.config, spec=IMAGES)


def test_the_names_are_the_librarys():
    from diffusers import UNet2DModel

    theirs = UNet2DModel(sample_size=8, in_channels=1, out_channels=1, **UNet2DConfig().network)
    assert list(tiny().state_dict()) == list(theirs.state_dict())


def test_it_computes_what_the_librarys_network_computes():
    from diffusers import UNet2DModel

    model, x, t = tiny(), torch.randn(3, 1, 8, 8), torch.tensor([0, 5, 999])
    theirs = UNet2DModel(sample_size=8, in_channels=1, out_channels=1, **UNet2DConfig().network).eval()
    theirs.load_state_dict(model.state_dict())
    assert torch.equal(model(x, t), theirs(x, t).sample)


def test_a_copy_computes_the_same():
    model = tiny()
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(copy.deepcopy(model)(x, 3.5), model(x, 3.5))


def test_time_is_real_valued():
    model = tiny()
    x = torch.randn(2, 1, 8, 8)
    assert not torch.equal(model.predict_noise(x, 3.5, None), model.predict_noise(x, 3.0, None))
    whole = torch.full((2,), 3)
    torch.testing.assert_close(model.predict_noise(x, whole, None), model.predict_noise(x, 3.0, None))


def test_the_chain_is_sampled_in_few_steps():
    model = tiny(sampling_steps=5)
    assert model.transitions == 5
    assert model.transition(torch.randn(2, 1, 8, 8), 0).mean.shape == (2, 1, 8, 8)


def test_dropout_repeats_with_its_draw():
    model = tiny(dropout=0.5).train()
    x = torch.randn(4, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    first = model.log_likelihood(x, None, draw)
    torch.manual_seed(7)
    assert torch.equal(first, model.log_likelihood(x, None, draw))
    assert not torch.equal(first, model.eval().log_likelihood(x, None, draw))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2,), "needs square images"), ((3, 7, 7), r"2 levels \(block_out_channels\) need a size divisible by 2")],
)
def test_data_that_do_not_fit_are_the_users_mistake(shape, message):
    for refuse in (lambda: build(UNet2DConfig(), DataSpec(shape)), lambda: fits(UNet2DConfig(), ModelUsage(DataSpec(shape)))):
        with pytest.raises(UserError, match=f"model diffusers-unet: {message}"):
            refuse()


def test_what_the_library_refuses_is_a_message_that_says_so():
    config = UNet2DConfig(down_block_types=("DownBlock2D", "AttnDownBlock2D"), attention_head_dim=8, block_out_channels=(8, 12))
    with pytest.raises(UserError, match="model diffusers-unet: diffusers refuses the settings: ") as caught:
        build(config.model_copy(update={"act_fn": "unheard-of"}), IMAGES)
    assert "unheard-of" in str(caught.value)


def test_without_diffusers_the_message_names_the_command(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", {}.get)
    command = r"model diffusers-unet: needs diffusers, which is not installed; pip install 'finetune-harness\[diffusers\]'"
    with pytest.raises(UserError, match=command):
        COMPONENT.check_packages()
    with pytest.raises(UserError, match=command):
        build(UNet2DConfig(), IMAGES)
