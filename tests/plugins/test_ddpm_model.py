"""DDPM for points: schedules, loss, transitions, sampling. The published network's outputs are in tests/parity."""

import math

import pydantic
import pytest
import torch

from harness import NoConfig
from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness.toolkit.chains.chain import NoisyStep
from harness.toolkit.chains.schedules import betas, coefficients
from harness.toolkit.transitions import rollout
from harness_ddpm import DDPMConfig, harness_models
from harness_ddpm.model import DDPM
from harness_ddpm.network import ConditionalLinear
from harness_ddpm.sampler import build as ancestral

POINTS = DataSpec((2,))
SCHEDULES = pytest.mark.parametrize("kind", ["sigmoid", "linear", "quadratic", "cosine"])


@pytest.fixture
def model():
    return models.build(harness_models()[0], DDPMConfig(steps=7, width=16), POINTS)


@SCHEDULES
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_betas_grow_and_stay_between_zero_and_one(kind, steps):
    beta = betas(kind, steps, 1e-5, 1e-2)
    assert beta.shape == (steps,)
    assert ((beta > 0) & (beta < 1)).all()
    assert (beta.diff() >= 0).all()


def test_linear_and_quadratic_betas_are_those_worked_out_by_hand():
    torch.testing.assert_close(betas("linear", 3, 0.1, 0.3), torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    torch.testing.assert_close(betas("quadratic", 3, 0.01, 0.09), torch.tensor([0.01, 0.04, 0.09], dtype=torch.float64))


def test_the_cosine_schedule_keeps_its_share_of_signal():
    alpha_bar = torch.cumprod(1 - betas("cosine", 1000, 0.1, 0.2), 0)
    expected = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert alpha_bar[499].item() == pytest.approx(expected, rel=1e-9)
    assert betas("cosine", 1000, 0.1, 0.2)[-1] == 0.999


def test_an_unknown_schedule_names_the_known_ones():
    with pytest.raises(ValueError, match="no schedule is called 'sine'; there are sigmoid"):
        betas("sine", 10, 1e-5, 1e-2)


def test_a_first_beta_above_the_last_is_a_fault():
    with pytest.raises(pydantic.ValidationError, match="above beta_end"):
        DDPMConfig(beta_start=0.5, beta_end=0.1)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_one_reverse_step_with_the_true_noise_is_the_posterior_of_the_forward_chain(variance):
    config = DDPMConfig(steps=5, schedule="linear", beta_start=0.05, beta_end=0.3, variance=variance)
    table = {name: value.double() for name, value in coefficients(config).items()}
    beta, t, x0, eps = table["betas"], 3, 0.7, -1.3
    alpha_bar = torch.cumprod(1 - beta, 0)
    x_t = alpha_bar[t].sqrt() * x0 + (1 - alpha_bar[t]).sqrt() * eps
    # q(x_{t-1} | x_t, x_0), as in Ho et al. 2020, Eq. 7.
    mean = alpha_bar[t - 1].sqrt() * beta[t] * x0 + (1 - beta[t]).sqrt() * (1 - alpha_bar[t - 1]) * x_t
    mean = mean / (1 - alpha_bar[t])
    assert (table["x_gain"][t] * x_t - table["eps_gain"][t] * eps).item() == pytest.approx(mean.item(), rel=1e-5)
    posterior = beta[t] * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])
    expected = beta[t] if variance == "beta" else posterior
    assert table["stds"][t].item() == pytest.approx(expected.sqrt().item(), rel=1e-5)
    assert table["stds"][0].item() == pytest.approx(beta[0].sqrt().item(), rel=1e-5)


def test_the_state_dict_holds_the_networks_weights_and_no_schedule(model):
    conditional = [f"lin{k}.{part}" for k in (1, 2, 3) for part in ("lin.weight", "lin.bias", "embed.weight")]
    assert set(model.state_dict()) == {*conditional, "lin4.weight", "lin4.bias"}


def test_initial_gains_are_uniform_in_the_unit_interval_and_weights_torchs_own():
    torch.manual_seed(0)
    layer = ConditionalLinear(100, 400, 50)
    gains, weights, bound = layer.embed.weight, layer.lin.weight, 100**-0.5
    assert gains.min() >= 0
    assert gains.max() < 1
    assert gains.mean().item() == pytest.approx(0.5, abs=0.01)
    assert gains.std().item() == pytest.approx(12**-0.5, abs=0.01)
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert layer.lin.bias.abs().max() <= bound


def test_a_conditional_layer_scales_a_linear_one_by_the_steps_gains():
    layer, x, t = ConditionalLinear(3, 4, 5), torch.randn(6, 3), torch.tensor([0, 4, 1, 1, 2, 3])
    torch.testing.assert_close(layer(x, t), layer.embed.weight[t] * (x @ layer.lin.weight.T + layer.lin.bias))


def test_the_loss_is_the_mean_squared_error_of_the_noise(model):
    x = torch.randn(5, 2)
    t, eps = model.draw(x, stream(0, "loss"))
    noisy = model.signal[t, None] * x + model.noise[t, None] * eps
    expected = ((model(noisy, t) - eps) ** 2).mean(1)
    torch.testing.assert_close(model.training_loss(x, None, stream(0, "loss")), expected)


@pytest.mark.parametrize("batch", [1, 6, 7])
def test_the_second_half_of_a_batch_mirrors_the_steps_of_the_first(model, batch):
    t, eps = model.draw(torch.zeros(batch, 2), stream(0, "draw"))
    half = (batch + 1) // 2
    assert t.shape == (batch,)
    assert eps.shape == (batch, 2)
    assert torch.equal(t[half:], 6 - t[: batch - half])


def test_each_step_is_drawn_equally_often(model):
    t, _ = model.draw(torch.zeros(70_000, 2), stream(0, "draw"))
    # 10,000 expected a step; the standard deviation is below 100.
    assert (t.bincount(minlength=7) - 10_000).abs().max() < 500


def test_likelihoods_are_shared_draws_of_the_summed_error(model):
    x, draw = torch.randn(4, 2), NoisyStep(torch.tensor([0, 1, 2, 6]), torch.randn(4, 2))
    noisy = model.signal[draw.t, None] * x + model.noise[draw.t, None] * draw.eps
    torch.testing.assert_close(model.log_likelihood(x, None, draw), -((model(noisy, draw.t) - draw.eps) ** 2).sum(1))


def test_a_stack_of_chains_costs_one_call_and_agrees_with_step_by_step(model):
    states = rollout(model, torch.randn(8, 5, 2))
    steps = torch.arange(7).repeat_interleave(5)
    together = model.transition(states[:-1].flatten(0, 1), steps)
    singly = torch.cat([model.transition(states[step], step).mean for step in range(7)])
    torch.testing.assert_close(together.mean, singly, rtol=0, atol=1e-5)


def test_images_are_flattened_for_the_network_and_come_back_in_shape():
    model = DDPM(DDPMConfig(steps=3, width=8), DataSpec((1, 4, 4), preview="images"))
    x = torch.randn(5, 1, 4, 4)
    mean, std = model.transition(x, torch.tensor([0, 1, 2, 0, 1]))
    assert mean.shape == x.shape
    assert std.shape == (5, 1, 1, 1)
    assert model.training_loss(x, None, stream(0, "loss")).shape == (5,)


def test_ancestral_sampling_is_the_last_state_of_the_rollout_noise_included(model):
    streams = SampleStreams(0, "sample", range(6))
    expected = rollout(model, SampleStreams(0, "sample", range(6)).normal(8, 2).transpose(0, 1))[-1]
    sampled = ancestral(NoConfig())(model, POINTS, streams, None)
    torch.testing.assert_close(sampled, expected.detach(), rtol=0, atol=1e-6)
    assert not sampled.requires_grad
