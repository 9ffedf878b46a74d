"""EDM's other samplers, and DPM-Solver-v3's settings and statistics."""

import hashlib

import pydantic
import pytest
import torch
from safetensors.torch import save_file

from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams, stream
from harness.testing.mixture import GaussianMixture, MixtureDenoiser, four_points
from harness.toolkit.denoising import NoiseLevels
from harness_dpm_solver import V3Config
from harness_dpm_solver.estimate import estimate
from harness_dpm_solver.sampler import DPMSolverV3
from harness_edm import EulerConfig, HeunConfig, StochasticConfig
from harness_edm.sampler import Euler, Heun, Stochastic

POINTS = DataSpec((2,))


def denoiser(low=0.002, high=20.0):
    return MixtureDenoiser(four_points(), NoiseLevels(sigma_min=low, sigma_max=high))


def draw(sampler, model=None, n=16):
    return sampler(model or denoiser(), POINTS, SampleStreams(0, "sample", range(n)), None)


@pytest.mark.parametrize(
    ("sampler", "calls"),
    [
        (Euler(EulerConfig(steps=12)), 12),
        (Stochastic(StochasticConfig(steps=12)), 23),
        (DPMSolverV3(V3Config(steps=12)), 12),
        (DPMSolverV3(V3Config(steps=12, corrector=False)), 12),
    ],
)
def test_the_network_is_called_as_often_as_the_docs_say(sampler, calls):
    model, seen = denoiser(), []
    model.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    draw(sampler, model)
    assert seen == [16] * calls


def test_without_churn_the_stochastic_sampler_is_heun():
    stochastic = Stochastic(StochasticConfig(steps=10, s_churn=0.0))
    torch.testing.assert_close(draw(stochastic), draw(Heun(HeunConfig(steps=10))), rtol=0, atol=0)


def test_churn_raises_levels_inside_its_range_and_by_41_percent_at_most():
    sampler = Stochastic(StochasticConfig(steps=10, s_churn=2.0, s_min=0.1, s_max=5.0))
    assert [sampler.gamma(sigma) for sigma in (0.05, 0.1, 5.0, 6.0)] == [0, 0.2, 0.2, 0]
    assert Stochastic(StochasticConfig(steps=10, s_churn=100)).gamma(1.0) == pytest.approx(2**0.5 - 1)


@torch.no_grad()
def test_churn_keeps_the_distribution():
    model = denoiser()
    x = draw(Stochastic(StochasticConfig(steps=96, s_churn=20, s_noise=1.0)), model, n=3000)
    real, _ = model.mixture.sample(3000, stream(0, "real"))
    surprise = model.mixture.log_prob(real).mean() - model.mixture.log_prob(x).mean()
    assert abs(float(surprise)) < 0.08  # the standard error is 0.03
    torch.testing.assert_close(x.double().mean(0), real.mean(0), rtol=0, atol=0.05)


def test_statistics_of_a_normal_distribution_are_those_worked_out_by_hand():
    # u = x - D = sigma^2 / (s^2 + sigma^2) x: linear, so that l is its slope and nothing is left for f.
    model = MixtureDenoiser(GaussianMixture(torch.zeros(1, 2), torch.tensor([0.5])))
    x, _ = model.mixture.sample(200, stream(0, "x"))
    found = estimate(model, Batch(x.float()), stream(0, "s"), low=0.01, high=10.0, levels=20, examples=200)
    sigma = (-found.grid).exp()
    expected = (sigma**2 / (0.25 + sigma**2))[:, None].expand(-1, 2)
    torch.testing.assert_close(found.l, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.b, torch.zeros_like(found.b), rtol=0, atol=1e-2)


def test_statistics_come_from_a_file_whose_hash_is_known(tmp_path):
    model, file = denoiser(), tmp_path / "ems.safetensors"
    sampler = DPMSolverV3(V3Config(steps=8, statistics="estimate", levels=20, examples=50))
    assert sampler.needs_preparation
    x, _ = model.mixture.sample(50, stream(0, "x"))
    prepared = sampler.prepare(model, POINTS, Batch(x.float()), stream(0, "prepare"))
    sampler.use(prepared)
    save_file({name: value.contiguous() for name, value in prepared.items()}, file)
    good = hashlib.sha256(file.read_bytes()).hexdigest()
    from_file = DPMSolverV3(V3Config(steps=8, statistics="file", file=str(file), sha256=good))
    assert torch.equal(draw(from_file, model), draw(sampler, model))
    with pytest.raises(UserError, match="and the settings say"):
        DPMSolverV3(V3Config(statistics="file", file=str(file), sha256="0" * 64))
    with pytest.raises(UserError, match="No such file"):
        DPMSolverV3(V3Config(statistics="file", file=str(tmp_path / "none"), sha256=good))
    save_file({"l": torch.ones(2)}, file)
    bad = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(UserError, match="no b, lambda, s among the tensors l"):
        DPMSolverV3(V3Config(statistics="file", file=str(file), sha256=bad))


def test_a_file_goes_with_its_hash():
    with pytest.raises(pydantic.ValidationError, match="needs file and sha256"):
        V3Config(statistics="file", file="ems.safetensors")
