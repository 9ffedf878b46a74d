"""The toy critic and value network: against plain operations, and the derivatives that are written by hand."""

import pytest
import torch
from torch.nn import functional

from harness.streams import stream
from harness_sft_pg.networks import ConditionalLinear, Critic, Value, _ScaledReLU, initialise, linear


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed, "x"), dtype=torch.float64)


def drawn(module, seed=0):
    initialise(module, stream(seed, "weights"))
    return module.double()


def test_a_layer_starts_with_zeros_and_draws_nothing_from_global_randomness():
    before = torch.get_rng_state()
    layer, critic, value = linear(3, 4), Critic((2,), 8), Value((2,), 5, 8)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(not parameter.any() for module in (layer, critic, value) for parameter in module.parameters())


def test_the_critic_is_two_rectified_layers_and_a_linear_one():
    critic, x = drawn(Critic((2, 3), 5)), numbers(4, 2, 3)
    hidden = functional.relu(critic.lin1.weight @ x.flatten(1).T + critic.lin1.bias[:, None])
    hidden = functional.relu(critic.lin2.weight @ hidden + critic.lin2.bias[:, None])
    expected = (critic.lin4.weight @ hidden + critic.lin4.bias[:, None]).T
    torch.testing.assert_close(critic(x), expected)


def test_a_conditional_layer_scales_each_output_by_the_gain_of_the_step():
    layer, x = drawn(ConditionalLinear(3, 4, 6)), numbers(5, 3)
    steps = torch.tensor([0, 5, 2, 2, 1])
    expected = torch.stack([layer.embed.weight[step] * layer.lin(row) for step, row in zip(steps, x, strict=True)])
    torch.testing.assert_close(layer(x, steps), expected)
    torch.testing.assert_close(layer(x, 2)[2:4], expected[2:4])


@pytest.mark.parametrize("steps", [slice(0, 4), slice(1, 3), slice(3, 4)])
def test_blocks_of_rows_take_the_gains_of_their_own_steps(steps):
    layer = drawn(ConditionalLinear(3, 4, 4))
    blocks = numbers(steps.stop - steps.start, 5, 3)
    expected = torch.cat([layer(block, step) for block, step in zip(blocks, range(4)[steps], strict=True)])
    torch.testing.assert_close(layer.each(blocks.flatten(0, 1), steps), expected)
    torch.testing.assert_close(layer.each_relu(blocks.flatten(0, 1), steps), functional.relu(expected))


def test_the_written_derivative_of_the_scaled_relu_is_that_of_finite_differences():
    y, gains = numbers(6, 4).requires_grad_(), numbers(3, 1, 4, seed=1).requires_grad_()
    # A copy of y, which is overwritten; no gain and no product is near 0, where a ReLU has no derivative.
    assert (gains * y.view(3, 2, 4)).abs().min() > 1e-3
    assert torch.autograd.gradcheck(lambda y, gains: _ScaledReLU.apply(y * 1, gains), (y, gains))


def test_the_scaled_relu_overwrites_its_input():
    y, gains = numbers(4, 3), numbers(2, 1, 3, seed=1)
    expected = functional.relu(y.view(2, 2, 3) * gains).flatten(0, 1)
    out = _ScaledReLU.apply(y, gains)
    assert out.data_ptr() == y.data_ptr()
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_scaled_relus_derivatives_are_autograds_and_leave_the_gradient_that_is_given(dtype):
    y, gains, d_hidden = (numbers(*shape, seed=seed).to(dtype) for seed, shape in enumerate([(6, 4), (3, 1, 4), (6, 4)]))
    found = []
    for scaled_relu in (_ScaledReLU.apply, lambda y, gains: functional.relu(gains * y.view(3, 2, 4)).flatten(0, 1)):
        inputs, given = [y.clone().requires_grad_(), gains.clone().requires_grad_()], d_hidden.clone()
        scaled_relu(inputs[0] * 1, inputs[1]).backward(given)
        assert torch.equal(given, d_hidden)
        found.append([value.grad for value in inputs])
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])  # with y = h / g, which rounds


def test_a_gain_of_0_lets_no_gradient_through_and_takes_none():
    y, gains = numbers(2, 3).requires_grad_(), numbers(2, 1, 3, seed=1)
    gains[0, 0, 1] = 0
    gains.requires_grad_()
    _ScaledReLU.apply(y * 1, gains).sum().backward()
    assert y.grad[0, 1] == gains.grad[0, 0, 1] == 0
    assert y.grad.isfinite().all()


def test_the_value_network_is_two_rectified_conditional_layers_and_a_conditional_one():
    value, x = drawn(Value((2,), 4, 5)), numbers(3, 2)
    steps = torch.tensor([3, 0, 2])
    hidden = functional.relu(value.lin1(x, steps))
    expected = value.lin4(functional.relu(value.lin2(hidden, steps)), steps)
    torch.testing.assert_close(value(x, steps), expected)


@pytest.mark.parametrize("steps", [slice(0, 4), slice(2, 4), slice(1, 2)])
def test_some_steps_at_once_are_those_steps_one_by_one(steps):
    value, states = drawn(Value((2, 2), 4, 5)), numbers(steps.stop - steps.start, 3, 2, 2)
    expected = torch.stack([value(state, step) for state, step in zip(states, range(4)[steps], strict=True)])
    torch.testing.assert_close(value.each(states, steps), expected)


def test_gradients_of_all_steps_at_once_are_those_of_the_steps_one_by_one():
    states = numbers(4, 3, 2)

    def gradients(compute):
        value = drawn(Value((2,), 4, 5))
        compute(value).square().sum().backward()
        return [parameter.grad for parameter in value.parameters()]

    at_once = gradients(lambda value: value.each(states, slice(0, 4)))
    one_by_one = gradients(lambda value: torch.stack([value(states[step], step) for step in range(4)]))
    torch.testing.assert_close(at_once, one_by_one)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "rows", "width"), [((2,), 128, 256), ((3,), 1, 16), ((1,), 7, 5), ((1, 8, 8), 64, 256), ((5,), 9, 32)]
)
def test_the_written_layers_are_those_of_autograd_bit_for_bit(shape, rows, width, dtype):
    """Published results were made layer by layer: no bit of a value or of a gradient may move."""
    value = Value(shape, 10, width)
    initialise(value, stream(0, "weights"))
    value.to(dtype)
    with torch.no_grad():
        value.lin2.embed.weight[1, 3] = 0
    for steps in (slice(0, 10), slice(2, 5)):
        count = steps.stop - steps.start
        states, d_value = (torch.randn(count, rows, *size, generator=stream(1, "x"), dtype=dtype) for size in (shape, (1,)))
        found = []
        for each in (value.each, lambda states, steps: layer_by_layer(value, states, steps)):
            value.zero_grad()
            out = each(states, steps)
            out.backward(d_value)
            found.append([out.detach(), *(parameter.grad.clone() for parameter in value.parameters())])
        assert [torch.equal(ours, plain) for ours, plain in zip(*found, strict=True)] == [True] * 10


def layer_by_layer(value, states, steps):
    hidden = value.lin1.each_relu(states.flatten(2).flatten(0, 1), steps)
    out = value.lin4.each(value.lin2.each_relu(hidden, steps), steps)
    return out.view(*states.shape[:2], 1)


def test_initial_weights_have_torchs_bounds_and_gains_are_in_zero_to_one():
    value = Value((50,), 20, 100)
    initialise(value, stream(0, "weights"))
    for layer, inputs in ((value.lin1, 50), (value.lin2, 100), (value.lin4, 100)):
        bound = inputs**-0.5
        assert layer.lin.weight.abs().max() <= bound
        assert layer.lin.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)  # the deviation of a uniform number
        assert layer.lin.bias.abs().max() <= bound
        assert (layer.embed.weight.min() >= 0) & (layer.embed.weight.max() < 1)
    assert value.lin1.embed.weight.mean().item() == pytest.approx(0.5, abs=0.05)


def test_initial_weights_are_a_function_of_the_generator():
    first, again, other = (drawn(Critic((2,), 8), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["lin1.weight"], other["lin1.weight"])
