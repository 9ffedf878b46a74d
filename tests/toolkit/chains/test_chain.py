"""The diffusion chain around a network that knows the noise of its data, and around one that knows nothing."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from harness.capabilities import BoundWeighting
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import capabilities
from harness.toolkit.chains import ChainConfig, ImageChainConfig
from harness.toolkit.chains.chain import DiffusionChain, NoisyStep, NoisyStepAndMask, ShortChain
from harness.toolkit.chains.fast_dpm import LAST_STD
from harness.toolkit.transitions import rollout

SPEC = DataSpec((3,))


class OfNormalData(DiffusionChain):
    """The best predictor of the noise in normal data of standard deviation `std`: E[eps | x] = noise x / variance of x."""

    std = 0.5

    def __init__(self, chain=None, spec=SPEC):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.times = []
        self.set_chain(chain or ChainConfig(steps=20, schedule="linear", beta_start=1e-3, beta_end=0.4), spec)

    def forward(self, x, t):
        self.times.append(t)
        signal, noise = (self.coefficient(name, t) for name in ("signal", "noise"))
        return self.scale * noise * x / (signal**2 * self.std**2 + noise**2)


class Dropping(OfNormalData):
    """Drops half of what it gives in training."""

    dropout = 0.5

    def forward(self, x, t):
        return nn.functional.dropout(super().forward(x, t), self.dropout, self.training)


def x_of(n=6, std=0.5):
    return std * torch.randn(n, 3, generator=stream(0, "x"))


def test_it_delivers_what_it_declares():
    for check in (capabilities.check_trains, capabilities.check_trains_in_parts, capabilities.check_likelihood,
                  capabilities.check_transitions, capabilities.check_noise_chain):  # fmt: skip
        check(OfNormalData(), SPEC)


def test_the_schedule_is_no_part_of_the_weights():
    assert set(OfNormalData().state_dict()) == {"scale"}


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_steps_come_in_pairs_around_the_middle(n):
    t, eps, *_ = OfNormalData().draw(torch.zeros(n, 3), stream(1, "draw"))
    half = (n + 1) // 2
    assert (t[half:] == 19 - t[: n - half]).all()
    assert ((t >= 0) & (t < 20)).all()
    assert eps.shape == (n, 3)


def test_each_step_is_as_likely_as_the_others():
    t = torch.cat([OfNormalData().draw(torch.zeros(100, 3), stream(seed, "draw")).t for seed in range(40)])
    counts = t.bincount(minlength=20)
    assert (counts - 200).abs().max() < 60  # of 4,000; a standard deviation is about 14, and pairs make it 20


def test_the_loss_is_the_mean_squared_error_of_the_noise_and_the_likelihood_minus_its_sum():
    model, x = OfNormalData(), x_of()
    draw = model.draw(x, stream(1, "draw"))
    signal, noise = (model.get_buffer(name)[draw.t][:, None] for name in ("signal", "noise"))
    error = (draw.eps - model(signal * x + noise * draw.eps, draw.t)).square()
    torch.testing.assert_close(model.training_loss_at(x, None, draw), error.mean(1))
    torch.testing.assert_close(model.log_likelihood(x, None, draw), -error.sum(1))
    torch.testing.assert_close(model.training_loss(x, None, stream(1, "draw")), error.mean(1))


def test_the_best_predictor_has_the_lowest_loss():
    x, losses = x_of(4000), []
    for scale in (0.8, 1.0, 1.2):
        model = OfNormalData()
        model.scale.data.fill_(scale)
        losses.append(model.training_loss(x, None, stream(1, "loss")).mean().item())
    assert losses[1] == min(losses)


def test_dropout_is_drawn_with_the_rest_and_repeats():
    model, x = Dropping().train(), x_of()
    draw = model.draw(x, stream(1, "draw"))
    assert isinstance(draw, NoisyStepAndMask)
    before = torch.get_rng_state()
    assert torch.equal(model.log_likelihood(x, None, draw), model.log_likelihood(x, None, draw))
    assert torch.equal(before, torch.get_rng_state())
    other = draw._replace(seed=draw.seed + 1)
    assert not torch.equal(model.log_likelihood(x, None, draw), model.log_likelihood(x, None, other))
    assert isinstance(model.eval().draw(x, stream(1, "draw")), NoisyStep)


def test_a_network_of_whole_steps_answers_for_the_nearest_one():
    model, x = OfNormalData(), x_of(2)
    assert torch.equal(model.predict_noise(x, 3.4, None), model(x, 3))
    assert torch.equal(model.predict_noise(x, torch.tensor([3.4, 6.6]), None), model(x, torch.tensor([3, 7])))
    model.times.clear()
    model.predict_noise(x, torch.tensor(5.0), None)
    assert model.times == [5]  # one index for all, which costs less than a batch of equal ones


@torch.no_grad()
def final_std(model):
    """The standard deviation that a chain of a linear network ends with: each step makes v into gain^2 v + std^2."""
    variance = 1.0
    for step in range(model.transitions):
        mean, std = model.transition(torch.ones(1, 3), step)
        variance = mean[0, 0].item() ** 2 * variance + std.item() ** 2
    return variance**0.5


def chain_of(steps, variance="beta"):
    """A chain that hides the data equally well, however many steps it has."""
    return ChainConfig(steps=steps, schedule="linear", beta_start=0.1 / steps, beta_end=16 / steps, variance=variance)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_a_rollout_spreads_as_its_steps_say(variance):
    model = OfNormalData(chain_of(100, variance))
    with torch.no_grad():
        x = rollout(model, torch.randn(101, 3000, 3, generator=stream(0, "walk")))[-1]
    assert x.mean().item() == pytest.approx(0, abs=0.02)
    assert x.std().item() == pytest.approx(final_std(model), rel=0.03)  # 9,000 numbers: 0.7 %


def test_the_finer_the_chain_of_the_best_network_the_nearer_it_ends_to_the_data():
    """beta_t adds too much noise for data of less than unit variance, the posterior's variance too little."""
    for variance, sign in (("beta", 1), ("posterior", -1)):
        errors = [sign * (final_std(OfNormalData(chain_of(steps, variance))) - 0.5) for steps in (200, 400, 800)]
        assert all(1.7 < coarse / fine < 2.3 for coarse, fine in pairwise(errors))  # of first order in the length of a step
        assert 0 < errors[-1] < 0.01


def test_all_steps_of_many_chains_cost_one_call():
    model, states = OfNormalData(), torch.randn(20, 4, 3, generator=stream(0, "states"))
    steps = torch.arange(20).repeat_interleave(4)
    model.times.clear()
    mean, std = model.transition(states.flatten(0, 1), steps)
    assert len(model.times) == 1
    for step in range(20):
        alone = model.transition(states[step], step)
        torch.testing.assert_close(mean.view(20, 4, 3)[step], alone.mean)
        assert std.view(20, 4)[step].tolist() == pytest.approx([alone.std.item()] * 4)


class ShortOfNormalData(ShortChain):
    """The same predictor, at real-valued times of the long chain."""

    std = 0.5

    def __init__(self, **settings):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.set_chain(ImageChainConfig(**settings), SPEC)

    def forward(self, x, t):
        log_kept = torch.log1p(-self.chain_betas).cumsum(0)
        t = torch.as_tensor(t, dtype=torch.float64)
        low = t.floor().long().clamp(0, self.steps - 2)
        kept = torch.lerp(log_kept[low], log_kept[low + 1], t - low).exp().float()
        kept = kept if kept.dim() == 0 else kept[:, None]
        return self.scale * (1 - kept).sqrt() * x / (kept * self.std**2 + 1 - kept)


@pytest.mark.parametrize("schedule", ["linear", "quadratic"])
def test_a_short_chain_has_its_own_number_of_steps_and_nears_the_data_as_it_gets_longer(schedule):
    models = [ShortOfNormalData(sampling_steps=steps, sampling_schedule=schedule) for steps in (50, 100, 200)]
    assert [model.transitions for model in models] == [50, 100, 200]
    errors = [0.5 - final_std(model) for model in models]
    assert all(1.5 < coarse / fine < 2.3 for coarse, fine in pairwise(errors))
    assert errors[-1] < 0.02
    assert models[0].transition(x_of(2), 49).std.item() == pytest.approx(LAST_STD)


def test_without_sampling_steps_the_short_chain_is_the_whole_one():
    model = ShortOfNormalData(steps=30, sampling_steps=None)
    assert model.transitions == 30
    x = x_of(4)
    whole = DiffusionChain.transition(model, x, 7)
    torch.testing.assert_close(model.transition(x, 7).mean, whole.mean)
    assert not any(name.startswith("fast") for name, _ in model.named_buffers())


def test_little_noise_is_almost_a_deterministic_walk():
    quiet, loud = (ShortOfNormalData(sampling_steps=10, kappa=kappa) for kappa in (1e-3, 1.0))
    x = x_of(4, std=1.0)
    for step in range(9):
        assert quiet.transition(x, step).std.item() == pytest.approx(1e-3 * loud.transition(x, step).std.item(), rel=1e-4)


def test_a_mixed_batch_of_short_steps_is_each_step_alone():
    model, x = ShortOfNormalData(sampling_steps=5), x_of(5)
    mean, std = model.transition(x, torch.arange(5))
    for step in range(5):
        alone = model.transition(x[step : step + 1], step)
        torch.testing.assert_close(mean[step : step + 1], alone.mean)
        assert math.isclose(std[step].item(), alone.std.item())


def test_the_weight_of_the_bound_is_that_of_the_steps_of_the_chain():
    """By hand: T (m - mean)^2 / (2 std^2), with the mean of a transition from x_t, and m that mean for the true noise."""
    model = OfNormalData()
    x = torch.randn(6, *SPEC.shape, generator=stream(0, "x"))
    draw = model.draw_weighted(x, stream(0, "d"), BoundWeighting("elbo"))
    signal, noise = model.coefficient("signal", draw.t), model.coefficient("noise", draw.t)
    state = signal * x + noise * draw.eps
    true = model.coefficient("x_gain", draw.t) * state - model.coefficient("eps_gain", draw.t) * draw.eps
    step = model.transition(state, model.steps - 1 - draw.t)
    expected = -model.steps * ((true - step.mean) ** 2 / (2 * step.std**2)).flatten(1).sum(1)
    torch.testing.assert_close(model.weighted_bound(x, None, draw, BoundWeighting("elbo")), expected, rtol=1e-3, atol=1e-4)
    simple = model.weighted_bound(x, None, draw, BoundWeighting("simple"))
    assert torch.equal(simple, model.log_likelihood(x, None, draw))
    with pytest.raises(ValueError, match="no noise levels"):
        model.weighted_bound(x, None, draw, BoundWeighting("edm"))
