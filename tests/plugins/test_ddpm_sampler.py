"""Ancestral sampling: the model's own chain, from its first noise to its last."""

import torch

from harness import NoConfig
from harness.capabilities import Gaussian, Transitions
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.testing import models
from harness.testing.mixture import GaussianMixture, MixtureChain
from harness.toolkit.transitions import rollout
from harness_ddpm import DDPMConfig, harness_models
from harness_ddpm.sampler import build

POINTS = DataSpec((2,))


def draw(chain, n=6):
    return build(NoConfig())(chain, POINTS, SampleStreams(0, "sample", range(n)), None)


def test_it_is_the_last_state_of_the_rollout_noise_included():
    model = models.build(harness_models()[0], DDPMConfig(steps=7, width=16), POINTS)
    noise = SampleStreams(0, "sample", range(6)).normal(8, 2).transpose(0, 1)
    sampled = draw(model)
    assert isinstance(model, Transitions)
    torch.testing.assert_close(sampled, rollout(model, noise)[-1].detach(), rtol=0, atol=1e-6)
    assert not sampled.requires_grad


def test_each_step_is_mean_plus_std_times_noise_of_its_own():
    class Known(torch.nn.Module):
        transitions = 3

        def transition(self, x, step):
            return Gaussian(0.5 * x + step, torch.tensor(0.1 * (step + 1)))

    noise = SampleStreams(0, "sample", range(6)).normal(4, 2)
    state = noise[:, 0]
    for step in range(3):
        state = 0.5 * state + step + 0.1 * (step + 1) * noise[:, step + 1]
    torch.testing.assert_close(draw(Known()), state)


def test_the_network_is_called_once_a_step():
    chain, calls = MixtureChain(GaussianMixture(torch.zeros(1, 2), torch.tensor([0.5])), torch.full((9,), 0.1)), []
    chain.register_forward_pre_hook(lambda _, arguments: calls.append(len(arguments[0])))
    draw(chain)
    assert calls == [6] * 9


def test_a_fine_chain_of_the_best_network_gives_the_datas_spread():
    betas = torch.linspace(4e-4, 0.08, 250, dtype=torch.float64)
    chain = MixtureChain(GaussianMixture(torch.full((1, 2), 0.3), torch.tensor([0.4])), betas)
    x = draw(chain, n=1000)
    # 2,000 numbers: 0.01 for the mean, 0.006 for the spread.
    torch.testing.assert_close(x.mean(0), torch.full((2,), 0.3), rtol=0, atol=0.05)
    torch.testing.assert_close(x.std(0), torch.full((2,), 0.4), rtol=0, atol=0.04)
