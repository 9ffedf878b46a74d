"""Which networks a run has, by its settings and its data."""

import pytest
import torch

from harness.components import MethodUsage, Model
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness_sft_pg import SFTPGConfig, ShortcutConfig, choice
from harness_sft_pg.image_networks import ImageCritic, ImageValue
from harness_sft_pg.networks import Critic, Value

POINTS, SMALL, LARGE = DataSpec((2,)), DataSpec((1, 31, 64)), DataSpec((3, 32, 40))


def usage(data):
    return MethodUsage(registry().get(Model, "ddpm-mlp", where="test"), data)


@pytest.mark.parametrize(
    ("setting", "data", "kind"),
    [
        ("auto", POINTS, "toy"),
        ("auto", SMALL, "toy"),  # the smaller side decides
        ("auto", LARGE, "image"),
        ("toy", LARGE, "toy"),
        ("image", SMALL, "image"),
    ],
)
def test_auto_is_image_from_the_side_that_the_published_critic_takes(setting, data, kind):
    assert choice.kind(setting, data) == kind


@pytest.mark.parametrize(("side", "halvings"), [(4, 0), (7, 0), (8, 1), (15, 1), (16, 2), (31, 2), (32, 3), (500, 3)])
def test_an_image_is_halved_while_the_last_kernel_still_fits(side, halvings):
    assert choice.halvings(DataSpec((1, side, side + 3))) == halvings
    assert side >> halvings >= choice.SMALLEST_SIDE


@pytest.mark.parametrize("data", [POINTS, DataSpec((3, 3, 8)), DataSpec((8, 8))])
def test_what_the_image_critic_cannot_take_is_refused_when_the_board_is_read(data):
    with pytest.raises(UserError, match="`critic: image` needs images"):
        choice.check(ShortcutConfig(critic="image"), usage(data))
    choice.check(ShortcutConfig(), usage(data))
    choice.check(ShortcutConfig(critic="toy"), usage(data))


def test_each_kind_of_network_is_made_and_drawn_as_its_own_code_does():
    config = SFTPGConfig(critic_width=6, critic_features=2, value_widths=(5, 4, 3))
    toy, image = choice.critic(config, POINTS), choice.critic(config, LARGE)
    assert (type(toy), type(image)) == (Critic, ImageCritic)
    toy_value, image_value = choice.value(config, POINTS, 7), choice.value(config, LARGE, 7)
    assert (type(toy_value), type(image_value)) == (Value, ImageValue)
    for network in (toy, image, toy_value, image_value):
        assert not any(parameter.any() for parameter in network.parameters())
        choice.initialise(network, stream(0, "weights"))
        assert all(parameter.any() for parameter in network.parameters())
    assert toy.lin1.weight.abs().max() <= 2**-0.5  # uniform
    assert image.layer2.weight.abs().max() > (4 * 16) ** -0.5  # normal, and so beyond the bound of a uniform draw


def test_the_value_network_has_gains_for_each_step_of_the_chain():
    value = choice.value(SFTPGConfig(critic_width=6), POINTS, 9)
    assert value.lin1.embed.weight.shape == (9, 6)
    assert value(torch.zeros(2, 2), 8).shape == (2, 1)


def test_critic_and_value_are_chosen_apart():
    config = SFTPGConfig(critic="toy", value="image", value_widths=(5, 4, 3))
    assert isinstance(choice.critic(config, LARGE), Critic)
    assert isinstance(choice.value(config, LARGE, 2), ImageValue)
