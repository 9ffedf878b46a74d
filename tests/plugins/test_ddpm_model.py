"""The DDPM for points: contract, weights, and its chain around the network. The published outputs are in tests/parity."""

import pytest
import torch

from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness.toolkit.chains.chain import NoisyStep
from harness.toolkit.transitions import rollout
from harness_ddpm import DDPMConfig, harness_models
from harness_ddpm.model import DDPM

COMPONENT = harness_models()[0]
POINTS = DataSpec((2,))


@pytest.fixture
def model():
    return models.build(COMPONENT, DDPMConfig(steps=7, width=16), POINTS)


def test_it_keeps_the_contract():
    models.check_model(COMPONENT, config=DDPMConfig(steps=7, width=16), spec=POINTS)


def test_the_state_dict_holds_the_networks_weights_and_no_schedule(model):
    conditional = [f"lin{k}.{part}" for k in (1, 2, 3) for part in ("lin.weight", "lin.bias", "embed.weight")]
    assert set(model.state_dict()) == {*conditional, "lin4.weight", "lin4.bias"}


def test_the_loss_is_the_mean_squared_error_of_the_noise(model):
    x = torch.randn(5, 2)
    t, eps = model.draw(x, stream(0, "loss"))
    noisy = model.signal[t, None] * x + model.noise[t, None] * eps
    expected = ((model(noisy, t) - eps) ** 2).mean(1)
    torch.testing.assert_close(model.training_loss(x, None, stream(0, "loss")), expected)


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


def test_times_between_whole_steps_are_rounded_since_the_network_has_a_row_for_each(model):
    x = torch.randn(3, 2)
    assert torch.equal(model.predict_noise(x, 2.4, None), model.predict_noise(x, 2.0, None))
    assert not torch.equal(model.predict_noise(x, 2.6, None), model.predict_noise(x, 2.0, None))


def test_labels_change_nothing(model):
    x = torch.randn(3, 2)
    assert torch.equal(model.predict_noise(x, 1.0, torch.tensor([0, 1, 2])), model.predict_noise(x, 1.0, None))


def test_each_step_is_drawn_equally_often(model):
    t, _ = model.draw(torch.zeros(70_000, 2), stream(0, "draw"))
    # 10,000 are expected for each step, with a standard deviation below 100.
    assert (t.bincount(minlength=7) - 10_000).abs().max() < 500


def test_the_fast_softplus_is_torchs_but_for_rounding():
    exact = models.build(COMPONENT, DDPMConfig(steps=7, width=16), POINTS)
    fast = models.build(COMPONENT, DDPMConfig(steps=7, width=16, softplus="fast"), POINTS)
    fast.load_state_dict(exact.state_dict())
    x, t = 3 * torch.randn(500, 2), torch.arange(500) % 7
    torch.testing.assert_close(fast(x, t), exact(x, t), rtol=1e-5, atol=1e-5)
    assert not torch.equal(fast(x, t), exact(x, t))
