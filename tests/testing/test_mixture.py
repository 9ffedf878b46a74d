"""The test bed itself: a mixture's density, samples and perfect networks are what they are said to be."""

import pytest
import torch
from mixture_grids import grid, linear_betas, nested_betas

from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import capabilities
from harness.testing.mixture import GaussianMixture, MixtureChain, MixtureDenoiser, four_points
from harness.toolkit.transitions import rollout


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
    assert drawn is not None
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
        capabilities.check_trains(model, spec)
        capabilities.check_likelihood(model, spec)
    capabilities.check_denoises(denoiser, spec)
    capabilities.check_noise_chain(chain, spec)
    capabilities.check_transitions(chain, spec)


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


def test_labels_without_classes_are_refused():
    with pytest.raises(ValueError, match="the mixture has no classes"):
        four_points().log_prob(torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64))


@torch.no_grad()
def test_the_denoiser_keeps_the_precision_of_its_input_and_the_data_where_there_is_no_noise():
    denoiser = MixtureDenoiser(four_points())
    x, _ = denoiser.mixture.sample(50, stream(0, "x"))
    assert denoiser.denoise(x.float(), torch.tensor(0.5), None).dtype == torch.float32
    torch.testing.assert_close(denoiser.denoise(x, torch.tensor(1e-5), None), x, rtol=0, atol=1e-7)


@torch.no_grad()
def test_between_two_steps_the_logarithm_of_the_signal_is_linear():
    chain = MixtureChain(four_points(), torch.tensor([0.1, 0.2, 0.3]))
    whole = torch.cumprod(1 - chain.betas, 0)
    signal, noise = chain.levels(torch.tensor([0.0, 1.0, 1.5, 2.0]))
    expected = torch.stack([whole[0], whole[1], (whole[1] * whole[2]).sqrt(), whole[2]])
    torch.testing.assert_close(signal**2, expected)
    torch.testing.assert_close(signal**2 + noise**2, torch.ones_like(signal))


@torch.no_grad()
def test_predicted_noise_and_denoised_data_are_one_estimate():
    mixture = four_points()
    chain, denoiser = MixtureChain(mixture, torch.tensor([0.1, 0.2, 0.3])), MixtureDenoiser(mixture)
    x, _ = mixture.sample(20, stream(0, "x"))
    signal, noise = chain.levels(2)
    # x_t / signal = clean + (noise / signal) eps, so both networks see the same noisy data.
    clean = denoiser.denoise(x / signal, noise / signal, None)
    torch.testing.assert_close(chain.predict_noise(x, 2, None), (x - signal * clean) / noise)
