"""Rollouts and log densities of Gaussian chains, on a chain that can be solved by hand."""

import math

import pytest
import torch
from torch.distributions import Normal

from harness.capabilities import Gaussian, Transitions
from harness.toolkit.transitions import log_density, rollout, rollout_in_parts, transition_log_prob


class Halving:
    """Each step halves the state; step k has standard deviation k + 1."""

    transitions = 3

    def __init__(self):
        self.gain = torch.tensor(0.5, requires_grad=True)

    def transition(self, x, step):
        std = torch.as_tensor(step, dtype=torch.float32) + 1
        return Gaussian(self.gain * x, std if std.dim() == 0 else std.view(-1, 1))


def test_the_chain_is_one_with_transitions():
    assert isinstance(Halving(), Transitions)


def test_a_rollout_holds_every_state_from_noise_to_sample():
    noise = torch.tensor([[[8.0]], [[1.0]], [[0.5]], [[-1.0]]])
    # 8 -> 4 + 1 = 5 -> 2.5 + 2 * 0.5 = 3.5 -> 1.75 - 3 = -1.25
    assert rollout(Halving(), noise).flatten().tolist() == [8.0, 5.0, 3.5, -1.25]


def test_a_rollout_can_be_differentiated_in_the_weights():
    chain = Halving()
    rollout(chain, torch.tensor([[[8.0]], [[0.0]], [[0.0]], [[0.0]]]))[-1].sum().backward()
    assert chain.gain.grad.item() == pytest.approx(3 * 0.5**2 * 8)  # d(8 g^3)/dg


def test_the_log_density_of_a_standard_normal_at_its_mean_is_known():
    density = log_density(torch.zeros(1, 2), Gaussian(torch.zeros(1, 2), torch.tensor(1.0)))
    assert density.tolist() == pytest.approx([-math.log(2 * math.pi)])


@pytest.mark.parametrize("std", [torch.tensor(0.3), torch.rand(5, 1, 1) + 0.1, torch.rand(5, 2, 3) + 0.1])
def test_log_densities_agree_with_torchs_and_sum_over_dimensions(std):
    point, mean = torch.randn(5, 2, 3), torch.randn(5, 2, 3)
    expected = Normal(mean, std.expand_as(mean)).log_prob(point).sum((1, 2))
    torch.testing.assert_close(log_density(point, Gaussian(mean, std)), expected)


def test_mixed_steps_in_a_batch_give_what_each_gives_alone():
    chain, x, x_next = Halving(), torch.randn(4, 2), torch.randn(4, 2)
    steps = torch.tensor([2, 0, 1, 2])
    together = transition_log_prob(chain, x_next, x, steps)
    alone = [transition_log_prob(chain, x_next[i : i + 1], x[i : i + 1], int(step)) for i, step in enumerate(steps)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_score_of_a_transition_is_its_gradient_by_hand():
    chain = Halving()
    transition_log_prob(chain, torch.tensor([[3.0]]), torch.tensor([[2.0]]), 1).sum().backward()
    # d/dg of -(3 - 2 g)^2 / (2 * 2^2) at g = 1/2
    assert chain.gain.grad.item() == pytest.approx(2 * (3 - 1) / 4)


@pytest.mark.parametrize("micro_batches", [[slice(0, 5)], [slice(0, 2), slice(2, 4), slice(4, 5)]])
def test_a_rollout_in_micro_batches_is_the_whole_one(micro_batches):
    noise = torch.randn(4, 5, 2)
    with torch.no_grad():
        torch.testing.assert_close(rollout_in_parts(Halving(), noise, micro_batches), rollout(Halving(), noise))
