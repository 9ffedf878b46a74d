"""Laws in closed form: on a Gaussian mixture the density, the samples and the best network are known exactly."""

import math
from itertools import pairwise

import pytest
import torch

from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness.testing.mixture import ChainDraw, GaussianMixture, MixtureChain, MixtureDenoiser, four_points
from harness.toolkit.denoising import NoiseLevels
from harness.toolkit.transitions import rollout
from harness_ddo.loss import ddo_loss
from harness_diffusers import ChainSolverConfig, DenoisingSolverConfig
from harness_diffusers.solver import ChainSolver, DenoisingSolver
from harness_dpm_solver import V3Config
from harness_dpm_solver.estimate import estimate
from harness_dpm_solver.sampler import DPMSolverV3
from harness_edm import EulerConfig, HeunConfig
from harness_edm.sampler import Euler, Heun


def grid(low=-3.0, high=3.0, n=401):
    """Points of a square and the area of each."""
    side = torch.linspace(low, high, n, dtype=torch.float64)
    return torch.cartesian_prod(side, side), float(side[1] - side[0]) ** 2


def linear_betas(steps):
    """Steps that hide the data equally well, however many there are."""
    return torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * (1000 / steps)


def nested_betas(steps, finest=128):
    """A chain whose levels are among those of the finest one; first and last are the same. steps: divides `finest`."""
    log_snr = torch.linspace(math.log(1e4), math.log(1e-4), finest + 1, dtype=torch.float64)[:: finest // steps]
    kept = torch.sigmoid(log_snr)
    return 1 - kept / torch.cat([kept.new_ones(1), kept[:-1]])


# The test bed itself.


@torch.no_grad()
def test_the_density_integrates_to_one_and_its_samples_have_its_moments():
    mixture = four_points()
    points, area = grid()
    density = mixture.log_prob(points).exp() * area
    x, _ = mixture.sample(20_000, stream(0, "mixture"))
    assert float(density.sum()) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(x.mean(0), (density[:, None] * points).sum(0).detach(), rtol=0, atol=0.02)
    torch.testing.assert_close((x**2).mean(0), (density[:, None] * points**2).sum(0).detach(), rtol=0, atol=0.02)


@torch.no_grad()
def test_a_class_is_the_mixture_of_its_components():
    mixture = four_points(classes=True)
    points, area = grid()
    labels = torch.zeros(len(points), dtype=torch.int64)
    first, second = (mixture.log_prob(points, labels + label).exp() for label in (0, 1))
    assert float(first.sum() * area) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(0.7 * first + 0.3 * second, mixture.log_prob(points).exp())
    x, drawn = mixture.sample(100, stream(0, "labels"))
    assert (mixture.log_prob(x, drawn) > mixture.log_prob(x, 1 - drawn)).all()


def test_the_posterior_is_that_of_the_joint_density_and_obeys_tweedie():
    mixture = four_points()
    x = torch.tensor([[0.2, 0.1], [-0.4, 0.5]], dtype=torch.float64, requires_grad=True)
    signal, noise = torch.tensor(0.8), torch.tensor(0.5)
    mean, variance = mixture.posterior(x, signal, noise)
    score = torch.autograd.grad(mixture.noisy_log_prob(x, signal, noise).sum(), x)[0]
    torch.testing.assert_close(mean, (x + noise.double() ** 2 * score) / signal.double())
    points, _ = grid()
    for row in range(2):
        log_joint = mixture.log_prob(points) - ((x[row] - signal * points) ** 2).sum(1) / (2 * noise**2)
        share = log_joint.softmax(0)[:, None]
        share = share.detach()
        torch.testing.assert_close((share * points).sum(0), mean[row], rtol=0, atol=1e-6)
        torch.testing.assert_close((share * (points - mean[row]) ** 2).sum(0), variance[row], rtol=0, atol=1e-6)


def test_its_models_deliver_what_the_contract_says():
    mixture, spec = four_points(classes=True), DataSpec((2,), classes=2)
    denoiser, chain = MixtureDenoiser(mixture), MixtureChain(mixture, nested_betas(16))
    for model in (mixture, denoiser, chain):
        models.check_trains(model, spec)
        models.check_likelihood(model, spec)
    models.check_denoises(denoiser, spec)
    models.check_noise_chain(chain, spec)
    models.check_transitions(chain, spec)


@torch.no_grad()
def test_points_may_be_held_as_images():
    mixture = GaussianMixture(torch.zeros(1, 4), torch.tensor([0.5]))
    denoiser = MixtureDenoiser(mixture, spec=DataSpec((1, 2, 2)))
    x = torch.ones(3, 1, 2, 2)
    torch.testing.assert_close(denoiser.denoise(x, torch.tensor(0.5), None), x / 2)


@torch.no_grad()
def test_the_chain_walks_from_noise_to_the_mixture():
    chain = MixtureChain(four_points(), linear_betas(250))
    x = rollout(chain, torch.randn(251, 2000, 2, generator=stream(0, "walk"), dtype=torch.float64))[-1]
    real, _ = chain.mixture.sample(2000, stream(1, "walk"))
    torch.testing.assert_close(x.mean(0), real.mean(0), rtol=0, atol=0.06)
    torch.testing.assert_close((x[:, 0] * x[:, 1]).mean(), (real[:, 0] * real[:, 1]).mean(), rtol=0, atol=0.04)
    assert float((chain.mixture.log_prob(x) - chain.mixture.log_prob(real)).mean()) == pytest.approx(0, abs=0.1)


# Likelihood.


def mean_bound(chain, x, pairs=2):
    """The bound, averaged over every step and over pairs of noise and its mirror image."""
    noise = [torch.randn(x.shape, generator=stream(pair, "bound"), dtype=torch.float64) for pair in range(pairs)]
    eps = torch.cat([sign * one for one in noise for sign in (1, -1)]).repeat(chain.transitions, 1)
    t = torch.arange(chain.transitions).repeat_interleave(len(eps) // chain.transitions)
    rows = x.repeat(len(eps) // len(x), 1)
    return float(chain.log_likelihood(rows, None, ChainDraw(t, eps)).mean())


@torch.no_grad()
def test_the_bound_is_below_the_log_density_and_rises_as_the_chain_gets_finer():
    mixture = four_points()
    x, _ = mixture.sample(250, stream(0, "data"))
    exact = float(mixture.log_prob(x).mean())
    bounds = [mean_bound(MixtureChain(mixture, nested_betas(steps)), x) for steps in (4, 8, 16, 32, 64, 128)]
    assert bounds == sorted(bounds)
    gaps = [exact - bound for bound in bounds]
    # The gap falls as 1 / T, to what the first step's own noise costs.
    assert 0 < gaps[-1] < 0.1 * gaps[0]
    assert 1.7 < gaps[2] / gaps[3] < 2.8  # 2 in the limit; at 16 steps the next order shows


@torch.no_grad()
@pytest.mark.parametrize("build", [lambda m: m, MixtureDenoiser, lambda m: MixtureChain(m, linear_betas(100))])
def test_the_right_network_has_the_highest_mean_likelihood(build):
    mixture, wrong = four_points(), four_points()
    wrong.means.mul_(1.3)
    right, other = build(mixture), build(wrong)
    x, _ = mixture.sample(4000, stream(0, "data"))
    draw = right.draw(x, stream(1, "draw"))
    ratio = right.log_likelihood(x, None, draw) - other.log_likelihood(x, None, draw)
    assert float(ratio.mean()) > 3 * float(ratio.std()) / math.sqrt(len(x))


@torch.no_grad()
def test_a_fine_chains_mean_ratio_is_the_exact_one_at_least():
    mixture, wrong = four_points(), four_points()
    wrong.means.mul_(1.2)
    x, _ = mixture.sample(500, stream(0, "data"))
    right, other = (MixtureChain(one, nested_betas(128)) for one in (mixture, wrong))
    ratio = mean_bound(right, x) - mean_bound(other, x)
    exact = float((mixture.log_prob(x) - wrong.log_prob(x)).mean())
    # Both are KL divergences from the data: of the end points, and of the whole paths, which is the larger. Up to what
    # the right chain's own bound misses; for two perfect networks and fine steps they are equal.
    assert ratio == pytest.approx(exact, rel=0.15)
    assert exact > 0.1


# DDO.


def ddo_gradients(theta, reference, target, *, alpha, beta):
    """Gradients of DDO's population loss in the parameters of theta, by quadrature."""
    points, area = grid(-4, 4, 321)
    ratio = theta.log_likelihood(points, None, None) - reference.log_prob(points).detach()
    each = torch.func.vmap(lambda real, fake, share: ddo_loss(real[None], fake[None], alpha=share, beta=beta))
    zero = torch.zeros_like(ratio)
    real = each(ratio, zero, zero)  # without the generated half
    fake = each(zero + 1e9, ratio, zero + alpha)  # a certain real half costs nothing
    loss = ((target.log_prob(points).exp() * real + reference.log_prob(points).exp() * fake) * area).sum()
    return torch.autograd.grad(loss, list(theta.parameters()))


def test_ddos_gradient_is_zero_at_the_data_and_not_elsewhere():
    reference, target, theta = four_points(0.2), four_points(0.15), four_points(0.15)
    with torch.no_grad():
        reference.means.mul_(0.9)
    at_optimum = ddo_gradients(theta, reference, target, alpha=1.0, beta=1.0)
    assert max(float(one.abs().max()) for one in at_optimum) < 1e-9
    at_start = ddo_gradients(reference, reference, target, alpha=1.0, beta=1.0)
    assert max(float(one.abs().max()) for one in at_start) > 1e-2


@pytest.mark.parametrize("beta", [0.5, 0.25])
def test_below_beta_one_ddos_optimum_lies_beyond_the_data(beta):
    # For normal densities of one spread, p_ref^(1 - 1/beta) p_data^(1/beta) is normal around m_ref + (m_data - m_ref) / beta,
    # times Z = exp((1/beta) (1/beta - 1) |m_data - m_ref|^2 / (2 s^2)); alpha = Z^beta is what makes it normalised.
    spread, shift = 0.6, torch.tensor([[0.2, -0.1]])
    reference = GaussianMixture(torch.zeros(1, 2), torch.tensor([spread]))
    target = GaussianMixture(shift, torch.tensor([spread]))
    theta = GaussianMixture(shift / beta, torch.tensor([spread]))
    log_z = (1 / beta) * (1 / beta - 1) * float((shift.double() ** 2).sum()) / (2 * spread**2)
    gradients = ddo_gradients(theta, reference, target, alpha=math.exp(beta * log_z), beta=beta)
    # 0.2 and -0.1 are float32 numbers: 1e-8 of error each.
    assert max(float(one.abs().max()) for one in gradients) < 1e-7
    at_data = ddo_gradients(target, reference, target, alpha=math.exp(beta * log_z), beta=beta)
    assert max(float(one.abs().max()) for one in at_data) > 1e-2


# Solvers.


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
