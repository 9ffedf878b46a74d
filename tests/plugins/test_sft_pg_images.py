"""Critic and value network for images. Agreement with the reference is in tests/parity."""

import pytest
import torch

from harness.board.components import Resolved
from harness.board.reading.data_fit import method_fault
from harness.components import Method, Model
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.methods import Bench, check_method
from harness.testing.task import InMemoryTask
from harness_sft_pg import SFTPGConfig, ShortcutConfig, choice
from harness_sft_pg.image_networks import ImageCritic, ImageValue, initialise_images
from harness_sft_pg.losses import STEPS_AT_ONCE, backward_critic_and_value
from harness_sft_pg.networks import Critic, Value


def test_a_critic_scores_images_of_any_size_from_32():
    critic = ImageCritic(3, features=2)
    assert critic(torch.randn(2, 3, 32, 32)).shape == (2, 1)
    assert critic(torch.randn(2, 3, 64, 64)).shape == (2, 1)


def test_a_value_depends_on_the_step():
    value = ImageValue((3, 4, 4), 5, widths=(16, 16, 8))
    initialise_images(value, stream(0, "value"))
    x = torch.randn(4, 3, 4, 4)
    torch.testing.assert_close(value(x, 2), value(x, torch.full((4,), 2)))
    assert not torch.equal(value(x, 2), value(x, 3))


def test_initialisation_repeats_and_has_the_published_scales():
    critic, value = ImageCritic(3, features=8), ImageValue((3, 8, 8), 5, widths=(64, 64, 32))
    before = torch.get_rng_state()
    initialise_images(critic, stream(0, "critic"))
    initialise_images(value, stream(0, "value"))
    assert torch.equal(before, torch.get_rng_state())
    assert critic.layer2.weight.std().item() == pytest.approx((2 / (16 * 16)) ** 0.5, rel=0.05)
    assert value.lin1.lin.weight.std().item() == pytest.approx((2 / (192 + 64)) ** 0.5, rel=0.05)
    assert value.lin1.embed.weight.min() >= 0
    again = ImageCritic(3, features=8)
    initialise_images(again, stream(0, "critic"))
    torch.testing.assert_close(again.layer1.weight, critic.layer1.weight, rtol=0, atol=0)


@pytest.mark.parametrize(("side", "halvings"), [(4, 0), (8, 1), (16, 2), (28, 2), (32, 3), (64, 3), (128, 3)])
def test_the_critic_halves_small_images_less_often(side, halvings):
    spec = DataSpec((3, side, side), preview="images")
    assert choice.halvings(spec) == halvings
    critic = choice.critic(ShortcutConfig(critic="image", critic_features=2), spec)
    choice.initialise(critic, stream(0, "critic"))
    scores = critic(torch.randn(5, *spec.shape, generator=stream(0, "x")))
    assert scores.shape == (5, 1)
    assert scores.std() > 0


def test_images_of_32_pixels_have_the_published_networks_and_smaller_ones_the_toys():
    config, large, small = SFTPGConfig(), DataSpec((3, 32, 32), preview="images"), DataSpec((1, 8, 8), preview="images")
    critic, value = choice.critic(config, large), choice.value(config, large, 10)
    shapes = {name: tuple(one.shape) for name, one in critic.state_dict().items() if "weight" in name}
    assert shapes == {
        "layer1.weight": (128, 3, 4, 4), "layer2.weight": (256, 128, 4, 4), "layer3.weight": (512, 256, 4, 4),
        "layer4.weight": (1, 512, 4, 4),
    }  # fmt: skip
    assert [one.lin.out_features for one in (value.lin1, value.lin2, value.lin3)] == [1024, 1024, 256]
    assert value.lin1.embed.num_embeddings == 10
    assert isinstance(choice.critic(config, small), Critic)
    assert isinstance(choice.value(config, small, 10), Value)
    assert isinstance(choice.critic(config, DataSpec((2,))), Critic)
    assert isinstance(choice.critic(SFTPGConfig(critic="toy"), large), Critic)
    assert isinstance(choice.value(SFTPGConfig(value="toy"), large, 10), Value)
    assert isinstance(choice.value(SFTPGConfig(value="image"), small, 10), ImageValue)


def test_settings_that_came_later_are_no_part_of_the_identity_at_their_default():
    assert not {"critic", "critic_features", "value", "value_widths"} & set(SFTPGConfig().identity)
    assert SFTPGConfig(critic="image").identity["critic"] == "image"
    assert not {"critic", "critic_features"} & set(ShortcutConfig().identity)


@pytest.mark.parametrize(
    ("shape", "message"), [((2,), "needs images, not data of shape"), ((1, 3, 3), "images of 4 pixels a side")]
)
def test_what_the_image_critic_cannot_take_is_said_before_work(shape, message):
    model = registry().get(Model, "ddpm-mlp", where="test")
    for name in ("sft-pg", "sft"):
        method = registry().get(Method, name, where="test")
        assert message in method_fault(
            Resolved(method, method.config.model_validate({"critic": "image"}), "x", "1"), model, DataSpec(shape)
        )
        assert method_fault(Resolved(method, method.config(), "x", "1"), model, DataSpec(shape)) is None
    with pytest.raises(UserError, match="take `critic: toy`"):
        choice.critic(ShortcutConfig(critic="image"), DataSpec(shape))


@pytest.mark.parametrize("couple", [True, False])
@pytest.mark.parametrize("steps", [3, STEPS_AT_ONCE + 2])
def test_the_written_down_gradients_of_image_networks_are_those_of_the_loss(steps, couple):
    critic, value = ImageCritic(1, 2, halvings=1).double(), ImageValue((1, 8, 8), steps, (5, 4, 3)).double()
    choice.initialise(critic, stream(0, "critic"))
    choice.initialise(value, stream(0, "value"))
    states = torch.randn(steps + 1, 4, 1, 8, 8, generator=stream(0, "states"), dtype=torch.float64)
    data = torch.randn(6, 1, 8, 8, generator=stream(0, "data"), dtype=torch.float64)
    torch.testing.assert_close(
        value.each(states[:-1], slice(0, steps)), torch.stack([value(states[step], step) for step in range(steps)])
    )
    fake = critic(states[-1])
    target = fake if couple else fake.detach()
    error = sum((value(states[step], step) - target).square().mean() for step in range(steps))
    loss = critic(data).mean() - fake.mean() + 0.1 * error
    parameters = [*critic.parameters(), *value.parameters()]
    expected = torch.autograd.grad(loss, parameters)
    backward_critic_and_value(critic, value, data, states, weight=0.1, couple=couple)
    torch.testing.assert_close([parameter.grad for parameter in parameters], list(expected))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sft-pg", {"value_widths": (6, 5, 4)}),
        ("sft-pg", {"value_widths": (6, 5, 4), "regulariser": "gradient-penalty"}),
        ("sft", {}),
    ],
)
def test_with_image_networks_the_contract_is_kept(name, settings):
    unet_settings = {"ch": 4, "ch_mult": (1,), "attn_resolutions": (), "norm_groups": 2, "sampling_steps": 2}

    def task():
        torch.manual_seed(0)
        model = registry().get(Model, "ddpm-unet", where="test")
        spec = DataSpec((1, 8, 8), preview="images")
        network = model.create(model.config.model_validate(unet_settings), spec)
        return InMemoryTask(network.eval(), spec, lambda *_: torch.zeros(1, *spec.shape), steps=4, batch=4)

    component = registry().get(Method, name, where="test")
    shared = {"critic": "image", "critic_features": 2, "n_critic": 2}
    config = component.config(**shared, **settings, **({"value": "image"} if name == "sft-pg" else {}))
    check_method(Bench(component, config, task, Batch(torch.randn(16, 1, 8, 8, generator=stream(0, "real")).clamp(-1, 1))))


def test_the_critic_is_convolutions_of_stride_two_and_the_mean_of_the_last_ones_scores():
    critic = ImageCritic(2, 3, halvings=2).double()
    choice.initialise(critic, stream(0, "critic"))
    x = torch.randn(4, 2, 17, 16, generator=stream(0, "x"), dtype=torch.float64)
    hidden = x
    for layer in (critic.layer1, critic.layer2):
        assert isinstance(layer, torch.nn.Conv2d)
        hidden = torch.nn.functional.conv2d(hidden, layer.weight, layer.bias, stride=2, padding=1)
        hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    scores = torch.nn.functional.conv2d(hidden, critic.layer4.weight, critic.layer4.bias)
    torch.testing.assert_close(critic(x), scores.mean((1, 2, 3))[:, None])
    assert [tuple(layer.weight.shape[:2]) for layer in (critic.layer1, critic.layer2, critic.layer4)] == [
        (6, 2),
        (12, 6),
        (1, 12),
    ]


def test_the_value_network_is_three_rectified_conditional_layers_and_a_plain_one():
    value = ImageValue((2, 3), 4, widths=(7, 6, 5)).double()
    choice.initialise(value, stream(0, "value"))
    x, steps = torch.randn(3, 2, 3, generator=stream(0, "x"), dtype=torch.float64), torch.tensor([2, 0, 3])
    hidden = x.flatten(1)
    for layer in (value.lin1, value.lin2, value.lin3):
        gains = layer.embed.weight[steps]
        hidden = (gains * (hidden @ layer.lin.weight.T + layer.lin.bias)).clamp(min=0)
    torch.testing.assert_close(value(x, steps), hidden @ value.lin4.weight.T + value.lin4.bias)


def test_biases_and_last_layers_are_uniform_within_their_bounds():
    critic, value = ImageCritic(3, features=8), ImageValue((3, 8, 8), 5, widths=(64, 64, 32))
    initialise_images(critic, stream(0, "critic"))
    initialise_images(value, stream(0, "value"))
    assert critic.layer1.bias.abs().max() <= 48**-0.5  # 3 channels of 4 × 4
    assert value.lin2.lin.bias.abs().max() <= 64**-0.5
    assert value.lin4.weight.abs().max() <= 32**-0.5
    assert value.lin3.lin.weight.abs().max() > 64**-0.5  # normal, and so beyond
