"""Scalings, losses and the Gaussian chain of denoisers, where the perfect denoiser is known."""

import math

import pytest
import torch

from harness.capabilities import BoundWeighting
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import capabilities
from harness.testing.mixture import MixtureDenoiser, four_points
from harness.toolkit.denoising import (
    LAST_STD_SHARE,
    ChainLevels,
    DenoisingObjective,
    GaussianChain,
    NoiseLevels,
    NoisyLevel,
    NoisyLevelAndMask,
    column,
    loss_weight,
    scalings,
)
from harness.toolkit.transitions import rollout


class Perfect(GaussianChain):
    """The best denoiser of normal data of standard deviation 0.5."""

    takes_labels = False
    spec = DataSpec((2,))

    def __init__(self, **settings):
        self.config = ChainLevels(**settings)

    def denoise(self, x, sigma, labels):
        return x * 0.25 / (0.25 + column(sigma, x) ** 2)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_a_long_chain_on_a_perfect_denoiser_gives_the_data(noise):
    model = Perfect(chain_steps=800, chain_noise=noise)
    states = rollout(model, torch.randn(801, 4000, 2, generator=stream(0, "chain")))
    assert states[-1].std().item() == pytest.approx(0.5, rel=0.03)  # 8,000 numbers: 0.8 %; Euler's steps add the rest
    assert abs(states[-1].mean().item()) < 0.03


def test_with_all_its_noise_a_step_is_the_posterior_of_the_next_level():
    model = Perfect(chain_steps=5)
    here, following = (float(model._chain["here"][index]) for index in (2, 3))
    x = torch.randn(3, 2, generator=stream(0, "x"))
    mean, std = model.transition(x, 2)
    clean, share = model.denoise(x, torch.tensor(here), None), following**2 / here**2
    torch.testing.assert_close(mean, share * x + (1 - share) * clean)
    assert std.item() == pytest.approx(following * (1 - share) ** 0.5)


def test_a_batch_of_steps_is_each_step_on_its_own_and_the_first_starts_from_unit_noise():
    model = Perfect(chain_steps=4)
    x = torch.randn(4, 2, generator=stream(0, "x"))
    batch = model.transition(x, torch.arange(4))
    for step in range(4):
        alone = model.transition(x[step : step + 1], step)
        torch.testing.assert_close(batch.mean[step : step + 1], alone.mean)
        torch.testing.assert_close(batch.std[step].flatten(), alone.std.flatten())
    level = model.config.sigma_max
    noisy = level * x
    expected = noisy + (model._chain["down"][0] - level) / level * (noisy - model.denoise(noisy, torch.tensor(level), None))
    torch.testing.assert_close(model.transition(x, 0).mean, expected)


def test_a_conditional_network_has_no_chain():
    model = Perfect()
    model.takes_labels = True
    with pytest.raises(UserError, match="is_conditional: false"):
        model.transition(torch.zeros(1, 2), 0)


LEVELS = torch.tensor([0.002, 0.1, 0.5, 3.0, 80.0], dtype=torch.float64)


@pytest.mark.parametrize("sigma_data", [0.5, 1.0])
def test_scalings_give_the_network_inputs_and_targets_of_unit_variance(sigma_data):
    """Of clean data of variance d^2 and noise of variance s^2, both independent (Karras et al. 2022, appendix B.6)."""
    c_skip, c_out, c_in, c_noise = scalings(LEVELS, sigma_data)
    clean, noise = sigma_data**2, LEVELS**2
    torch.testing.assert_close(c_in**2 * (clean + noise), torch.ones_like(LEVELS))
    target = ((1 - c_skip) ** 2 * clean + c_skip**2 * noise) / c_out**2
    torch.testing.assert_close(target, torch.ones_like(LEVELS))
    torch.testing.assert_close(c_noise, LEVELS.log() / 4)


def test_the_skip_is_the_share_that_makes_the_targets_smallest():
    c_skip = scalings(LEVELS, 0.5).c_skip
    size = [((1 - skip) ** 2 * 0.25 + skip**2 * LEVELS**2) for skip in (c_skip - 0.01, c_skip, c_skip + 0.01)]
    assert (size[1] <= size[0]).all()
    assert (size[1] <= size[2]).all()


def test_the_weight_makes_the_loss_that_of_the_raw_network():
    torch.testing.assert_close(loss_weight(LEVELS, 0.5), scalings(LEVELS, 0.5).c_out ** -2)
    torch.testing.assert_close(loss_weight(torch.tensor(0.5), 0.5), torch.tensor(8.0))  # (0.25 + 0.25) / 0.25^2


@pytest.mark.parametrize(("shape", "expected"), [((4, 2), (4, 1)), ((4, 3, 8, 8), (4, 1, 1, 1)), ((4,), (4,))])
def test_one_value_for_each_example_broadcasts_over_data(shape, expected):
    assert column(torch.arange(4), torch.zeros(shape)).shape == expected
    assert column(torch.tensor(3.0), torch.zeros(shape)).shape == ()


def test_levels_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match=r"sigma_min \(80.0\) is not below sigma_max \(80.0\)"):
        NoiseLevels(sigma_min=80.0)


class Zero(DenoisingObjective, torch.nn.Module):
    """Takes everything for 0, and drops it too where it drops anything."""

    def __init__(self, dropout=0.0, **levels):
        super().__init__()
        self.config, self.spec, self.drops = NoiseLevels(**levels), DataSpec((3,)), dropout
        self.weight = torch.nn.Parameter(torch.zeros(()))

    @property
    def dropout(self):
        return self.drops

    def forward(self, x, sigma):
        return torch.nn.functional.dropout(self.weight * x + (1 if self.drops else 0), self.drops, self.training)

    def denoise(self, x, sigma, labels):
        return self(x, sigma)


def test_the_loss_is_the_weighted_squared_error_and_the_likelihood_minus_it():
    model, x = Zero(), torch.tensor([[3.0, 0.0, 4.0], [1.0, 1.0, 1.0]])
    draw = NoisyLevel(torch.tensor([0.5, 1.0]), torch.randn(2, 3, generator=stream(0, "noise")))
    expected = [8.0 * 25, (1 + 0.25) / 0.25 * 3]  # weight times |0 - x|^2
    assert model.training_loss_at(x, None, draw).tolist() == pytest.approx(expected)
    assert model.log_likelihood(x, None, draw).tolist() == pytest.approx([-value for value in expected])


@pytest.mark.parametrize(("weight", "expected"), [
    ("model", (0.25 + 0.25) / 0.0625), ("edm", (0.25 + 0.25) / 0.0625), ("simple", 4.0), ("elbo", 4 * math.log(40_000)),
])  # fmt: skip
def test_the_weight_of_a_level_can_be_chosen(weight, expected):
    draw = NoisyLevel(torch.tensor([0.5]), torch.zeros(1, 3))
    value = Zero().weighted_bound(torch.tensor([[3.0, 0.0, 4.0]]), None, draw, BoundWeighting(weight))
    assert value.tolist() == pytest.approx([-25 * expected])


def test_levels_of_their_own_leave_those_of_the_settings_as_they_are():
    model, x = Zero(), torch.zeros(4000, 3)
    own = model.draw_weighted(x, stream(0, "d"), BoundWeighting("edm", p_mean=1.0)).sigma.log()
    assert (float(own.mean()), float(own.std())) == pytest.approx((1.0, 1.2), abs=0.08)  # 4 standard errors of the mean: 0.076
    assert torch.equal(model.draw_weighted(x, stream(0, "d"), BoundWeighting()).sigma, model.draw(x, stream(0, "d")).sigma)
    of_bound = model.draw_weighted(x, stream(0, "d"), BoundWeighting("elbo")).sigma.log()
    assert (float(of_bound.min()), float(of_bound.max())) == pytest.approx((math.log(0.002), math.log(80)), abs=0.05)


class OfNormal(DenoisingObjective, torch.nn.Module):
    """The perfect denoiser of one number that is normal around 0."""

    def __init__(self, std):
        super().__init__()
        self.config, self.spec, self.std = NoiseLevels(sigma_min=1e-4, sigma_max=1e4), DataSpec((1,)), std

    def denoise(self, x, sigma, labels):
        return self.std**2 / (self.std**2 + sigma.view(-1, 1) ** 2) * x


@pytest.mark.parametrize("x", [0.0, 0.7, 3.0])
def test_with_the_weight_of_the_bound_alone_the_ratio_is_in_nats(x):
    n = 4001  # levels evenly spaced in their logarithm; noise of -1 and 1 has the moments that a linear denoiser sees
    sigma = torch.logspace(-4, 4, n, dtype=torch.float64).repeat(2)
    draw = NoisyLevel(sigma, torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat_interleave(n)[:, None])
    at = torch.full((2 * n, 1), x, dtype=torch.float64)
    wide, narrow = OfNormal(1.0), OfNormal(0.5)

    def ratio(weight):
        values = [model.weighted_bound(at, None, draw, BoundWeighting(weight)).mean() for model in (wide, narrow)]
        return float(values[0] - values[1])

    exact = math.log(0.5) - x**2 / 2 + x**2 / (2 * 0.5**2)  # log N(x; 0, 1) - log N(x; 0, 1/4)
    assert ratio("elbo") == pytest.approx(exact, rel=1e-3, abs=2e-3)  # of the quadrature
    assert ratio("edm") != pytest.approx(exact, rel=0.1)


def test_training_draws_what_the_likelihood_draws():
    model, x = Zero(), torch.randn(5, 3, generator=stream(0, "x"))
    first, second = model.training_draw(x, stream(1, "draw")), model.draw(x, stream(1, "draw"))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(model.training_loss(x, None, stream(1, "draw")), model.training_loss_at(x, None, first))


def test_the_logarithm_of_the_levels_is_normal():
    model = Zero(p_mean=-0.4, p_std=1.5)
    logs = model.draw(torch.zeros(20_000, 3), stream(0, "draw")).sigma.log()
    assert logs.mean().item() == pytest.approx(-0.4, abs=0.04)  # the standard error is 0.011
    assert logs.std().item() == pytest.approx(1.5, rel=0.02)


def test_dropout_is_drawn_with_the_rest_in_training_and_left_out_in_eval_mode():
    model, x = Zero(dropout=0.5).train(), torch.full((4, 3), 3.0)
    draw = model.draw(x, stream(0, "draw"))
    assert isinstance(draw, NoisyLevelAndMask)
    before = torch.get_rng_state()
    assert torch.equal(model.log_likelihood(x, None, draw), model.log_likelihood(x, None, draw))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(model.log_likelihood(x, None, draw), model.log_likelihood(x, None, draw._replace(seed=draw.seed + 1)))
    assert isinstance(model.eval().draw(x, stream(0, "draw")), NoisyLevel)
    assert Zero().dropout == 0.0


def test_the_best_denoiser_has_the_lowest_loss_at_every_level():
    mixture, worse = four_points(), four_points()
    with torch.no_grad():
        worse.means.mul_(1.3)
    x, _ = mixture.sample(3000, stream(0, "x"))
    noise = torch.randn(x.shape, generator=stream(1, "noise"), dtype=torch.float64)
    for sigma in (0.05, 0.5, 2.0):
        draw = NoisyLevel(torch.full((len(x),), sigma), noise)
        best, other = (MixtureDenoiser(each).training_loss_at(x, None, draw).mean().item() for each in (mixture, worse))
        assert best < other


@pytest.mark.parametrize("noise", [0.25, 1.0])
def test_a_chain_delivers_what_it_declares_and_its_levels_are_edms(noise):
    class Module(Perfect, torch.nn.Module):
        def __init__(self):
            torch.nn.Module.__init__(self)
            Perfect.__init__(self, chain_steps=5, chain_noise=noise)
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, x, sigma):
            return self.scale * Perfect.denoise(self, x, sigma, None)

        def denoise(self, x, sigma, labels):
            return self(x, sigma)

    model = Module()
    capabilities.check_transitions(model, DataSpec((2,)))
    ends = 80 ** (1 / 7), 0.002 ** (1 / 7)
    expected = [(ends[0] + i / 4 * (ends[1] - ends[0])) ** 7 for i in range(5)]
    assert model._chain["here"].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("noise", [0.25, 1.0])
def test_going_down_and_adding_noise_ends_at_the_next_level(noise):
    chain = Perfect(chain_steps=6, chain_noise=noise)._chain
    levels = [*chain["here"].double().tolist(), 0.0]
    for step in range(5):
        down, std = chain["down"][step].item(), chain["std"][step].item()
        assert math.hypot(down, std) == pytest.approx(levels[step + 1], rel=1e-5)
        assert std == pytest.approx(noise * levels[step + 1] * math.sqrt(1 - (levels[step + 1] / levels[step]) ** 2), rel=1e-4)
    assert chain["std"][5].item() == pytest.approx(LAST_STD_SHARE * 0.5)
    assert chain["down"][5] == 0
