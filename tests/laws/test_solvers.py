"""Orders of convergence of solvers, on Gaussian mixtures whose best denoiser is known exactly."""

import math
from itertools import pairwise

import pytest
import torch
from mixture_grids import nested_betas

from harness.interfaces import Batch
from harness.streams import SampleStreams, stream
from harness.testing.mixture import MixtureChain, MixtureDenoiser, four_points
from harness.toolkit.denoising import NoiseLevels
from harness_diffusers import ChainSolverConfig, DenoisingSolverConfig
from harness_diffusers.solver import ChainSolver, DenoisingSolver
from harness_dpm_solver import V3Config
from harness_dpm_solver.estimate import estimate
from harness_dpm_solver.sampler import DPMSolverV3
from harness_edm import EulerConfig, HeunConfig
from harness_edm.sampler import Euler, Heun


def order_of(solve, steps=(32, 64, 128), reference=1024):
    """Measured order of convergence: by how many powers of two the error falls when the steps double."""
    exact = solve(reference)
    errors = [float((solve(n) - exact).square().mean().sqrt()) for n in steps]
    return [math.log2(first / second) for first, second in pairwise(errors)]


@pytest.fixture(scope="module")
def problem():
    """The perfect denoiser, noise, and its noise levels."""
    levels = {"low": 0.02, "high": 10.0}
    denoiser = MixtureDenoiser(four_points(), NoiseLevels(sigma_min=levels["low"], sigma_max=levels["high"]))
    return denoiser, SampleStreams(0, "order", range(32)).normal(2).double(), levels


def solver(problem, make):
    denoiser, noise, levels = problem
    return torch.no_grad()(lambda steps: make(steps).solve(denoiser, noise, None, **levels))


@pytest.mark.parametrize(("build", "config", "order"), [(Heun, HeunConfig, 2), (Euler, EulerConfig, 1)])
def test_heun_is_of_order_two_and_euler_of_order_one(problem, build, config, order):
    measured = order_of(solver(problem, lambda steps: build(config(steps=steps))))
    assert measured[-1] == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("levels", ["karras", "exponential"])
@pytest.mark.parametrize(("order", "measured"), [(1, 1), (2, 2)])
def test_dpm_solver_pp_has_its_order(problem, order, measured, levels):
    pytest.importorskip("diffusers")

    def make(steps):
        return DenoisingSolver(DenoisingSolverConfig(steps=steps, order=order, levels=levels, last="smallest"))

    found = order_of(solver(problem, make), steps=(16, 32, 64), reference=1024)
    assert found[-1] == pytest.approx(measured, abs=0.2)


@pytest.mark.parametrize(("order", "measured"), [(1, 1), (2, 2)])
def test_dpm_solver_pp_along_a_chain_has_its_order(problem, order, measured):
    pytest.importorskip("diffusers")
    chain, noise = MixtureChain(four_points(), nested_betas(1024, finest=1024)), problem[1]

    def solve(steps):
        return ChainSolver(ChainSolverConfig(steps=steps, order=order, last="smallest")).solve(chain, noise, None)

    assert order_of(solve, steps=(16, 32, 64), reference=1024)[-1] == pytest.approx(measured, abs=0.2)


def test_dpm_solver_pp_and_heun_solve_the_same_equation(problem):
    pytest.importorskip("diffusers")
    x = solver(problem, lambda steps: DenoisingSolver(DenoisingSolverConfig(steps=steps)))(512)
    exact = solver(problem, lambda steps: Heun(HeunConfig(steps=steps)))(512)
    torch.testing.assert_close(x.double(), exact, rtol=0, atol=2e-3)


def v3(steps, order=3, corrector=False, statistics=None):
    sampler = DPMSolverV3(V3Config(steps=steps, order=order, corrector=corrector))
    if statistics is not None:
        sampler.use(statistics.tensors())
    return sampler


@pytest.mark.parametrize(("order", "corrector", "measured"), [(1, False, 1), (2, False, 2), (3, False, 3), (1, True, 2)])
def test_dpm_solver_v3_has_its_order_and_the_corrector_adds_one(problem, order, corrector, measured):
    found = order_of(solver(problem, lambda steps: v3(steps, order, corrector)), steps=(24, 48), reference=240)
    assert found[-1] == pytest.approx(measured, abs=0.35)


def test_model_statistics_lead_to_the_same_samples(problem):
    denoiser, _, levels = problem
    x, _ = denoiser.mixture.sample(300, stream(0, "statistics"))
    found = estimate(denoiser, Batch(x.float()), stream(1, "statistics"), levels=40, examples=300, **levels)
    assert 0 < float(found.l.min()) < float(found.l.max()) < 1.1  # from almost no noise to nothing but noise
    exact = solver(problem, v3)(160)
    with_them = solver(problem, lambda steps: v3(steps, statistics=found))
    errors = [float((with_them(steps) - exact).square().mean().sqrt()) for steps in (12, 24)]
    # At third order a factor 8, in the limit.
    assert errors[1] < 3e-3
    assert errors[0] / errors[1] > 4
