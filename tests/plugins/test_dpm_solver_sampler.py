"""DPM-Solver-v3: the coefficients of a step against numerical quadrature, whole runs against known solutions, its file."""

import hashlib
import math
from itertools import pairwise

import pydantic
import pytest
import torch
from safetensors.torch import save_file
from scipy.integrate import quad

from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams, stream
from harness.testing.mixture import MixtureDenoiser, four_points
from harness.toolkit.denoising import NoiseLevels
from harness_dpm_solver import V3Config
from harness_dpm_solver.sampler import DPMSolverV3, read, weights
from harness_dpm_solver.statistics import Statistics, trivial

POINTS = DataSpec((2,))


def denoiser(low=0.002, high=20.0):
    return MixtureDenoiser(four_points(), NoiseLevels(sigma_min=low, sigma_max=high))


def draw(sampler, model=None, n=16):
    return sampler(model or denoiser(), POINTS, SampleStreams(0, "sample", range(n)), None)


def bumpy(points=31):
    """Statistics that vary with lambda, for one coordinate."""
    grid = torch.linspace(-3, 4, points, dtype=torch.float64)
    return Statistics(grid, 0.5 + 0.4 * grid.sin(), 0.3 * grid.cos(), 0.2 + 0.1 * grid)


# Coefficients of a step.


def cardinal(index, known_at, lam):
    """Lagrange's polynomial that is 1 at one of the known states and 0 at the others."""
    others = (other for position, other in enumerate(known_at) if position != index)
    return math.prod((lam - other) / (known_at[index] - other) for other in others)


@pytest.mark.parametrize("known_at", [(0.3,), (-0.4, 0.3), (-1.1, -0.4, 0.3), (-0.4, 0.3, 0.9)], ids=len)
def test_a_step_is_the_integral_of_its_polynomial(known_at):
    statistics, start, end = bumpy(), 0.3, 0.9
    found = weights(statistics, start, known_at, end)

    def big_l(lam):
        return float(statistics.integral_l(lam) - statistics.integral_l(start))

    def big_s(lam):
        return float(statistics.integral_s(lam) - statistics.integral_s(start))

    def big_b(lam):  # from the start of the step, where S is taken for 0
        return float(statistics.integral_s(start).exp() * (statistics.integral_b(lam) - statistics.integral_b(start)))

    def integral(function):
        # In the cells of the grid, where all of it is smooth.
        cells = sorted({start, end, *(point for point in statistics.grid.tolist() if start < point < end)})
        return sum(
            quad(lambda lam: math.exp(big_l(lam) + big_s(lam)) * function(lam), *cell, epsabs=1e-12)[0]
            for cell in pairwise(cells)
        )

    decay = math.exp(-big_l(end))
    assert float(found.gain) == pytest.approx(decay, rel=1e-9)
    for index, known in enumerate(known_at):
        expected = -decay * math.exp(-big_s(known)) * integral(lambda lam, index=index: cardinal(index, known_at, lam))
        # S has kinks at the points of the grid, which the solver's quadrature passes over.
        assert float(found.shares[index]) == pytest.approx(expected, rel=1e-3)
    constant = -decay * integral(
        lambda lam: big_b(lam) - sum(cardinal(index, known_at, lam) * big_b(known) for index, known in enumerate(known_at))
    )
    assert float(found.constant) == pytest.approx(constant, abs=1e-4)


def test_without_statistics_the_first_order_is_ddim():
    # l = 1: x_t = (sigma_t / sigma_s) x_s - (1 - sigma_t / sigma_s) f with f = -D.
    found = weights(trivial(0.01, 10.0), 0.5, (0.5,), 1.2)
    ratio = math.exp(0.5 - 1.2)
    assert float(found.gain) == pytest.approx(ratio)
    assert float(found.shares[0]) == pytest.approx(-(1 - ratio))
    assert float(found.constant) == 0


def test_without_statistics_the_second_order_is_dpm_solver_pp_2m():
    # phi_1 = (1 - e^-h) and the line through D_s and the value before: D_s + (D_s - D_r) / h_before (lambda - lambda_s).
    start, before, end = 0.5, 0.1, 1.2
    h, h_before = end - start, start - before
    found = weights(trivial(0.01, 10.0), start, (before, start), end)
    slope = math.exp(-h) * (math.exp(h) * (h - 1) + 1)  # e^-h times the integral of e^u u from 0 to h
    assert float(found.shares[0]) == pytest.approx(slope / h_before)
    assert float(found.shares[1]) == pytest.approx(-(1 - math.exp(-h)) - slope / h_before)


def test_a_constant_f_is_followed_exactly_by_every_order():
    statistics, start, end, f, x = bumpy(), -0.5, 0.7, 0.8, 1.3
    quiet = Statistics(statistics.grid, statistics.l, 0 * statistics.s, 0 * statistics.b)
    big_l = quiet.integral_l(end) - quiet.integral_l(start)

    def integrand(lam):
        return math.exp(float(quiet.integral_l(lam) - quiet.integral_l(start)))

    exact = float((-big_l).exp()) * (x - f * quad(integrand, start, end, limit=200)[0])
    for known_at in ((start,), (-0.9, start), (-1.3, -0.9, start)):
        step = weights(quiet, start, known_at, end)
        moved = float(step.gain) * x + float(step.constant) + sum(float(share) for share in step.shares) * f
        assert moved == pytest.approx(exact, abs=1e-5)


# Whole runs.


@pytest.mark.parametrize("corrector", [True, False])
def test_the_network_is_called_once_a_step_at_falling_levels(corrector):
    levels = []

    class Recording(MixtureDenoiser):
        def denoise(self, x, sigma, labels):
            levels.append(float(sigma))
            return super().denoise(x, sigma, labels)

    model = Recording(four_points(), NoiseLevels(sigma_min=0.002, sigma_max=20.0))
    draw(DPMSolverV3(V3Config(steps=12, corrector=corrector)), model)
    steps = [math.log(first / second) for first, second in pairwise(levels)]
    assert len(levels) == 12
    assert levels[0] == pytest.approx(20.0)
    assert steps == pytest.approx([math.log(20 / 0.002) / 12] * 11)


@pytest.mark.parametrize(("order", "corrector"), [(1, False), (2, False), (3, True)])
def test_a_denoiser_that_knows_the_image_is_followed_exactly(order, corrector):
    # D = c whatever x is: f is constant with the trivial statistics, and x ends at c + low * noise.
    class Knows(torch.nn.Module):
        sigma_range = (0.1, 10.0)

        def denoise(self, x, sigma, labels):
            return torch.full_like(x, 0.7)

    x = draw(DPMSolverV3(V3Config(steps=5, order=order, corrector=corrector)), Knows())
    noise = SampleStreams(0, "sample", range(16)).normal(2)
    torch.testing.assert_close(x, 0.7 + 0.1 * (noise - 0.7 / 10), rtol=0, atol=1e-5)


def test_coefficients_are_computed_once_for_all_chunks_and_anew_for_other_statistics():
    sampler = DPMSolverV3(V3Config(steps=6))
    draw(sampler)
    known = dict(sampler._known_weights)
    draw(sampler)
    assert all(sampler._known_weights[key] is value for key, value in known.items())
    sampler.use(trivial(0.002, 20.0).tensors())
    assert sampler._known_weights == {}


def test_a_single_step_jumps_to_the_denoised_data():
    model = denoiser()
    noise = SampleStreams(0, "sample", range(16)).normal(2).double()
    x = draw(DPMSolverV3(V3Config(steps=1)), model)
    denoised = model.denoise(20.0 * noise, torch.tensor(20.0, dtype=torch.float64), None)
    ratio = 0.002 / 20
    torch.testing.assert_close(x, (ratio * 20 * noise + (1 - ratio) * denoised).detach().float(), rtol=0, atol=1e-5)


# Statistics from a file.


def saved(tmp_path, **tensors):
    path = tmp_path / "ems.safetensors"
    save_file(tensors, path)
    return V3Config(steps=8, statistics="file", file=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_file_gives_the_samples_of_the_estimate_that_it_holds(tmp_path):
    model = denoiser()
    sampler = DPMSolverV3(V3Config(steps=8, statistics="estimate", levels=20, examples=50))
    assert sampler.needs_preparation
    x, _ = model.mixture.sample(50, stream(0, "x"))
    prepared = sampler.prepare(model, POINTS, Batch(x.float()), stream(0, "prepare"))
    sampler.use(prepared)
    from_file = DPMSolverV3(saved(tmp_path, **{name: value.contiguous() for name, value in prepared.items()}))
    assert not from_file.needs_preparation
    assert torch.equal(draw(from_file, model), draw(sampler, model))
    assert not torch.equal(draw(sampler, model), draw(DPMSolverV3(V3Config(steps=8)), model))


def test_a_file_that_is_missing_changed_or_of_something_else_is_named(tmp_path):
    config = saved(tmp_path, l=torch.ones(2))
    with pytest.raises(UserError, match=r"sampler dpm-solver-v3: .*ems\.safetensors holds no statistics: no b, lambda, s among"):
        read(config)
    with pytest.raises(UserError, match=r"has sha256 [0-9a-f]{64}, and the settings say 0000"):
        read(config.model_copy(update={"sha256": "0" * 64}))
    with pytest.raises(UserError, match="none: No such file"):
        read(config.model_copy(update={"file": str(tmp_path / "none")}))


def test_a_file_that_is_no_safetensors_is_a_message(tmp_path):
    path = tmp_path / "ems.safetensors"
    path.write_bytes(b"not a tensor")
    config = V3Config(statistics="file", file=str(path), sha256=hashlib.sha256(b"not a tensor").hexdigest())
    with pytest.raises(UserError, match="holds no statistics"):
        read(config)


@pytest.mark.parametrize(
    "settings",
    [
        {"statistics": "file"},
        {"statistics": "file", "file": "ems.safetensors"},
        {"file": "ems.safetensors", "sha256": "0" * 64},
        {"statistics": "estimate", "sha256": "0" * 64},
    ],
    ids=str,
)
def test_a_file_goes_with_its_hash_and_with_the_setting_that_asks_for_it(settings):
    with pytest.raises(pydantic.ValidationError, match="needs file and sha256"):
        V3Config(**settings)
