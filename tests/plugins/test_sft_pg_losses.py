"""The objectives of critic and value network: the gradients that are written down, and the gradient penalty."""

import pytest
import torch
from torch import nn

from harness.streams import stream
from harness_sft_pg.losses import backward_critic_and_value, frozen, gradient_penalty
from harness_sft_pg.networks import ValueNetwork

STATES = torch.randn(4, 5, 2, generator=stream(0, "states"), dtype=torch.float64)
REAL = torch.randn(3, 2, generator=stream(0, "real"), dtype=torch.float64)


class Plane(nn.Module):
    """f(x) = a·x + b."""

    def __init__(self, slope=(1.0, -2.0)):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))
        self.shift = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x):
        return (x @ self.slope + self.shift).unsqueeze(1)


class Constants(ValueNetwork):
    """V(x, k) = c_k."""

    def __init__(self, steps=3):
        super().__init__()
        self.constants = nn.Parameter(torch.arange(steps, dtype=torch.float64))

    def forward(self, x, step):
        return self.constants[step].expand(len(x), 1)

    def each(self, states, steps):
        return self.constants[steps].view(-1, 1, 1).expand(*states.shape[:2], 1)


def test_the_gap_and_the_value_loss_are_the_ones_by_hand():
    critic, value = Plane(), Constants()
    logged = backward_critic_and_value(critic, value, REAL, STATES, weight=0.1, couple=True)
    fake = critic(STATES[-1]).detach()
    assert logged["critic_gap"].item() == pytest.approx((fake.mean() - critic(REAL).mean()).item())
    squares = [(fake - constant).square().mean().item() for constant in (0.0, 1.0, 2.0)]
    assert logged["value_loss"].item() == pytest.approx(sum(squares) / 3)


@pytest.mark.parametrize("couple", [True, False])
def test_gradients_are_those_by_hand_for_a_plane_and_constants(couple):
    critic, value = Plane(), Constants()
    backward_critic_and_value(critic, value, REAL, STATES, weight=0.1, couple=couple)
    fake, sample = critic(STATES[-1]).detach(), STATES[-1]
    # dL/dc_k = 2 weight mean (c_k - f).
    expected = torch.stack([0.2 * (constant - fake).mean() for constant in value.constants.detach()])
    torch.testing.assert_close(value.constants.grad, expected)
    # dL/da = mean x_real - mean x_fake, and with coupling 2 weight sum over k of mean (f - c_k) x_fake too.
    slope = REAL.mean(0) - sample.mean(0)
    if couple:
        slope = slope + 0.2 * sum(((fake - constant) * sample).mean(0) for constant in value.constants.detach())
    torch.testing.assert_close(critic.slope.grad, slope)
    # b moves both means alike, so that only the coupling has a gradient in it.
    assert critic.shift.grad.item() == pytest.approx(-expected.sum().item() if couple else 0, abs=1e-12)


def test_gradients_are_added_to_those_that_are_there():
    critic, value = Plane(), Constants()
    backward_critic_and_value(critic, value, REAL, STATES, weight=0.1, couple=True)
    once = critic.slope.grad.clone(), value.constants.grad.clone()
    backward_critic_and_value(critic, value, REAL, STATES, weight=0.1, couple=True)
    torch.testing.assert_close(critic.slope.grad, 2 * once[0])
    torch.testing.assert_close(value.constants.grad, 2 * once[1])


def test_a_weight_of_0_couples_nothing_and_fits_the_baseline_which_is_subtracted_all_the_same():
    critic, value, at_1 = Plane(), Constants(), Constants()
    backward_critic_and_value(critic, value, REAL, STATES, weight=0.0, couple=True)
    backward_critic_and_value(Plane(), at_1, REAL, STATES, weight=1.0, couple=True)
    torch.testing.assert_close(critic.slope.grad, REAL.mean(0) - STATES[-1].mean(0))
    assert value.constants.grad.any()
    torch.testing.assert_close(value.constants.grad, at_1.constants.grad)


def test_the_critic_rises_on_samples_and_falls_on_data():
    critic, value = Plane((0.0, 0.0)), Constants()
    real, states = torch.full_like(REAL, 2.0), torch.zeros_like(STATES)
    states[-1] = -1.0
    backward_critic_and_value(critic, value, real, states, weight=0.0, couple=False)
    with torch.no_grad():
        torch.optim.SGD([critic.slope], lr=0.1).step()
    assert critic(states[-1]).mean() > critic(real).mean()


def test_more_real_examples_than_samples_and_fewer_are_both_means():
    for n in (1, 3):
        critic = Plane()
        backward_critic_and_value(critic, Constants(), REAL[:n], STATES, weight=0.0, couple=False)
        torch.testing.assert_close(critic.slope.grad, REAL[:n].mean(0) - STATES[-1].mean(0))


@pytest.mark.parametrize("slope", [(3.0, 4.0), (0.6, 0.8), (0.0, 0.25)])
def test_the_penalty_of_a_plane_is_its_slope_off_one_squared(slope):
    penalty = gradient_penalty(Plane(slope), REAL, REAL + 1, stream(0, "between"))
    assert penalty.item() == pytest.approx((torch.tensor(slope).norm().item() - 1) ** 2, abs=1e-12)


def test_the_penalty_is_taken_between_real_and_generated_examples():
    """f = |x|² / 2 has the slope |x| at x: on the lines from 0 to points at distance d it is in [0, d]."""
    seen = []

    class Bowl(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return x.square().sum(1, keepdim=True) / 2

    real, fake = torch.zeros(500, 2), torch.tensor([3.0, 4.0]).expand(500, 2)
    penalty = gradient_penalty(Bowl(), real, fake, stream(0, "between"))
    share = seen[0].norm(dim=1) / 5
    torch.testing.assert_close(seen[0], (share[:, None] * fake), rtol=1e-5, atol=1e-5)
    assert (share >= 0).all()
    assert share.mean().item() == pytest.approx(0.5, abs=0.05)  # uniform on the line: standard error 0.013
    assert penalty.item() == pytest.approx((5 * share - 1).square().mean().item(), rel=1e-5)


def test_the_penalty_can_be_differentiated_in_the_critic():
    critic = Plane((3.0, 4.0))
    gradient_penalty(critic, REAL, REAL + 1, stream(0, "between")).backward()
    # d/da (|a| - 1)² = 2 (|a| - 1) a / |a| = 8 (0.6, 0.8).
    torch.testing.assert_close(critic.slope.grad, torch.tensor([4.8, 6.4], dtype=torch.float64))


def test_a_frozen_module_passes_gradients_to_its_input_and_takes_none():
    critic, x = Plane(), REAL.clone().requires_grad_()
    with frozen(critic):
        critic(x).sum().backward()
    torch.testing.assert_close(x.grad, critic.slope.detach().expand_as(x))
    assert critic.slope.grad is None
    assert all(parameter.requires_grad for parameter in critic.parameters())


def test_a_module_is_thawed_after_a_fault_too():
    critic = Plane()
    with pytest.raises(ZeroDivisionError), frozen(critic):
        raise ZeroDivisionError
    assert all(parameter.requires_grad for parameter in critic.parameters())
