"""DPM-Solver++ through diffusers' schedulers: coefficients against quadrature, levels and calls, chains. Orders: tests/laws."""

import math
from itertools import pairwise

import pytest
import torch
from scipy.integrate import quad

from harness.capabilities import NoiseChain
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.testing import models
from harness_diffusers import ChainSolverConfig, DenoisingSolverConfig, harness_models, harness_samplers
from harness_diffusers.presets import TINY

pytest.importorskip("diffusers")

from harness_diffusers.solver import ChainSolver, DenoisingSolver, common_arguments

COMPONENT = harness_models()[0]
IMAGES, POINTS = DataSpec((1, 8, 8), preview="images"), DataSpec((2,))


class Normal:
    """Normal data of spread 0.5: the best denoiser, and the levels at which it was called."""

    sigma_range = (0.02, 10.0)

    def __init__(self):
        self.levels = []

    def denoise(self, x, sigma, labels):
        self.levels.append(float(sigma))
        return x * 0.25 / (0.25 + sigma**2)


class Scripted:
    """A denoiser that answers with given numbers, whatever it is asked."""

    sigma_range = (0.5, 8.0)

    def __init__(self, answers):
        self.answers = iter(answers)

    def denoise(self, x, sigma, labels):
        return torch.full_like(x, next(self.answers))


def draw(config, model, n=5):
    return DenoisingSolver(config)(model, POINTS, SampleStreams(0, "test", range(n)), None)


# Coefficients of a step: x_t = sigma_t / sigma_s x_s + sigma_t * integral of e^lambda D(lambda) d lambda, lambda = -ln sigma.


def exact_step(x, start, end, denoised):
    integral = quad(lambda lam: math.exp(lam) * denoised(lam), -math.log(start), -math.log(end))[0]
    return end / start * x + end * integral


def levels_of(steps, order):
    scheduler = DenoisingSolver(DenoisingSolverConfig(steps=steps, order=order, last="smallest")).scheduler(0.5, 8.0)
    return scheduler.sigmas.tolist()


def test_the_first_order_takes_the_denoised_data_as_constant_over_a_step():
    answers, levels = [0.3, -0.7, 1.1], levels_of(3, 1)
    x = draw(DenoisingSolverConfig(steps=3, order=1, last="smallest"), Scripted(answers), n=1)
    expected = 8.0 * SampleStreams(0, "test", range(1)).normal(2).double()
    for answer, start, end in zip(answers, levels, levels[1:], strict=False):
        expected = torch.tensor([exact_step(float(value), start, end, lambda _, answer=answer: answer) for value in expected[0]])[
            None
        ]
    torch.testing.assert_close(x, expected.float(), rtol=1e-4, atol=1e-4)


def test_the_second_order_takes_a_line_through_this_step_and_the_one_before():
    # Algorithm 2 evaluates the line at the middle of the step: over h it errs by O(h^2) of the exact integral of the line.
    answers, levels = [0.3, -0.7], levels_of(2, 2)
    config = DenoisingSolverConfig(steps=2, order=2, last="smallest", lower_order_final=False)
    x = draw(config, Scripted(answers), n=1)
    lam = [-math.log(level) for level in levels]
    h, before = lam[2] - lam[1], lam[1] - lam[0]
    middle = answers[1] + (answers[1] - answers[0]) / before * h / 2
    state = 8.0 * SampleStreams(0, "test", range(1)).normal(2).double()
    state = levels[1] / levels[0] * state + (1 - levels[1] / levels[0]) * answers[0]
    state = levels[2] / levels[1] * state + (1 - levels[2] / levels[1]) * middle
    torch.testing.assert_close(x, state.float(), rtol=1e-4, atol=1e-4)


def test_the_last_step_lands_on_the_denoised_data_or_keeps_the_smallest_noise():
    for last, expected in (("data", 0.7), ("smallest", None)):
        x = draw(DenoisingSolverConfig(steps=4, order=1, last=last), Scripted([0.1, 0.2, 0.3, 0.7]), n=2)
        assert (x == 0.7).all() == (expected is not None)


# Runs over noise levels.


@pytest.mark.parametrize("last", ["data", "smallest"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("levels", ["karras", "exponential"])
def test_the_solver_calls_the_network_once_at_each_level(order, last, levels):
    model = Normal()
    x = draw(DenoisingSolverConfig(steps=20, order=order, last=last, levels=levels), model)
    assert len(model.levels) == 20
    assert model.levels == sorted(set(model.levels), reverse=True)
    assert model.levels[0] == pytest.approx(10, rel=1e-5)
    assert (model.levels[-1] == pytest.approx(0.02, rel=1e-4)) == (last == "data")
    exact = SampleStreams(0, "test", range(5)).normal(2) * 10 * 0.5 / math.sqrt(0.25 + 100)
    assert x.isfinite().all()
    torch.testing.assert_close(x, exact, rtol=0.15, atol=0)


def test_levels_are_karrass_or_even_in_their_logarithm():
    for levels, transform in (("karras", lambda sigma: sigma ** (1 / 3)), ("exponential", math.log)):
        model = Normal()
        draw(DenoisingSolverConfig(steps=9, levels=levels, rho=3.0), model)
        spaced = [transform(level) for level in model.levels]
        steps = [second - first for first, second in pairwise(spaced)]
        assert steps == pytest.approx([steps[0]] * 8, rel=1e-3)


def test_samples_are_float32_whatever_the_noise_is():
    solver, noise = DenoisingSolver(DenoisingSolverConfig(steps=3)), torch.randn(2, 2, dtype=torch.float64)
    assert solver.solve(Normal(), noise, None, low=0.02, high=10.0).dtype == torch.float32


def test_settings_become_the_librarys_arguments():
    config = DenoisingSolverConfig(order=3, solver_type="heun", last="smallest", lower_order_final=False)
    assert common_arguments(config) == {
        "algorithm_type": "dpmsolver++", "solver_order": 3, "solver_type": "heun", "lower_order_final": False,
        "final_sigmas_type": "sigma_min",
    }  # fmt: skip
    assert common_arguments(ChainSolverConfig())["final_sigmas_type"] == "zero"


# Runs along a chain.


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("last", ["data", "smallest"])
@pytest.mark.parametrize(("steps", "total"), [(20, 1000), (9, 10), (1, 10), (1, 2)])
def test_a_chain_is_walked_downwards_and_each_step_once(steps, total, spacing, last):
    config = ChainSolverConfig(steps=steps, spacing=spacing, last=last, order=3)
    scheduler = ChainSolver(config).scheduler(torch.linspace(1e-4, 0.02, total, dtype=torch.float64))
    times = scheduler.timesteps.tolist()
    assert times == sorted(set(times), reverse=True)
    assert 1 <= len(times) <= steps
    assert len(scheduler.sigmas) == len(times) + 1
    assert (scheduler.sigmas.diff() < 0).all()


@pytest.mark.parametrize(("spacing", "most"), [("linspace", 9), ("leading", 9), ("trailing", 10)])
def test_more_steps_than_a_spacing_finds_are_refused_and_the_most_are_walked(spacing, most):
    betas = torch.linspace(1e-4, 0.02, 10, dtype=torch.float64)
    assert len(ChainSolver(ChainSolverConfig(steps=most, spacing=spacing)).scheduler(betas).timesteps) == most
    with pytest.raises(UserError, match=f"steps: {most + 1} are more than .* in a chain of 10; name {most} or fewer"):
        ChainSolver(ChainSolverConfig(steps=most + 1, spacing=spacing)).scheduler(betas)


def test_a_chain_of_one_step_is_refused_with_the_sampler_that_walks_it():
    with pytest.raises(UserError, match="a chain of one step leaves nothing to choose; the sampler `ancestral` walks it"):
        ChainSolver(ChainSolverConfig()).scheduler(torch.tensor([0.5], dtype=torch.float64))


def test_the_schedulers_noise_is_that_of_the_chain():
    betas = torch.linspace(1e-4, 0.02, 50, dtype=torch.float64)
    scheduler = ChainSolver(ChainSolverConfig(steps=5, last="smallest")).scheduler(betas)
    alpha_bar = torch.cumprod(1 - betas, 0)
    for time, sigma in zip(scheduler.timesteps.tolist(), scheduler.sigmas.tolist(), strict=False):
        assert sigma == pytest.approx(float(((1 - alpha_bar[time]) / alpha_bar[time]).sqrt()), rel=1e-4)


@torch.no_grad()
def test_the_first_order_is_ddim():
    model = models.build(COMPONENT, TINY.config, IMAGES)
    solver = ChainSolver(ChainSolverConfig(steps=10, order=1, spacing="trailing"))
    x = solver(model, IMAGES, SampleStreams(0, "test", range(3)), None)
    assert isinstance(model, NoiseChain)
    times = solver.scheduler(model.chain_betas).timesteps.tolist()
    state, kept = SampleStreams(0, "test", range(3)).normal(1, 8, 8), torch.cumprod(1 - model.chain_betas, 0)
    for time, following in zip(times, [*times[1:], None], strict=True):
        a, b = kept[time], torch.tensor(1.0) if following is None else kept[following]
        eps = model.predict_noise(state, float(time), None)
        state = (b / a).sqrt() * state + ((1 - b).sqrt() - (1 - a).sqrt() * (b / a).sqrt()) * eps
    torch.testing.assert_close(x, state.float(), rtol=0, atol=1e-3 * float(state.abs().max()))


def test_without_diffusers_every_sampler_names_the_command(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", {}.get)
    command = r"needs diffusers, which is not installed; pip install 'finetune-harness\[diffusers\]'"
    for component in harness_samplers():
        with pytest.raises(UserError, match=f"sampler {component.name.replace('+', '.')}: {command}"):
            component.check_packages()
    with pytest.raises(UserError, match=command):
        DenoisingSolver(DenoisingSolverConfig())
    with pytest.raises(UserError, match=command):
        ChainSolver(ChainSolverConfig())
