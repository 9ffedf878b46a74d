"""Samplers with the best variance of each step, on mixtures and normal data whose posterior variance is known."""

import numpy as np
import pytest
import torch
from long_chains import BETAS, POINTS, SPREAD, chain_to_normal_data, chain_to_points, draw

from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams, stream
from harness.testing.mixture import GaussianMixture, MixtureChain, four_points
from harness_ddpm import AnalyticConfig, DDIMConfig, FastDPMConfig, HeadConfig, SubsampledConfig
from harness_ddpm.step_table import StepTable, whole_step_table
from harness_ddpm.variances import Analytic, Residual, SquaredNoise
from harness_ddpm.walks import DDIM, FastDPM, Subsampled, walk

PIXEL = DataSpec((1, 1, 1), preview="images")


@pytest.fixture(scope="module")
def chain():
    return chain_to_points()


@pytest.fixture(scope="module")
def normal():
    return chain_to_normal_data()


def data_of(chain, n):
    x, _ = chain.mixture.sample(n, stream(0, "data"))
    return Batch(x.float())


def prepared(sampler, chain, n=2000):
    sampler.use(sampler.prepare(chain, POINTS, data_of(chain, n), stream(1, "prepare")))
    return sampler


# Analytic-DPM.


def test_the_variance_is_the_data_s_floor_and_what_is_unknown_of_the_noise():
    sampler, steps = Analytic(AnalyticConfig(steps=4)), whole_step_table(BETAS, 4, "linear", 1.0)
    sampler.use({"gamma": torch.tensor([0.9, 0.5, 1.3, 0.2], dtype=torch.float64)})
    table = sampler.table(steps, POINTS)
    unknown = np.array([0.1, 0.5, 0.0, 0.8])  # a mean square above 1 leaves nothing unknown
    expected = np.sqrt(steps.std_given_data**2 + steps.eps_mult**2 * unknown)
    np.testing.assert_allclose(table.std[:-1], expected[:-1])
    assert table.std[-1] == 0
    np.testing.assert_array_equal(table.eps_mult, steps.eps_mult)


def test_on_normal_data_the_mean_square_of_the_noise_is_that_of_the_line(normal):
    # E[eps | x] = sqrt(1 - a) / (a s^2 + 1 - a) x, whose mean square is (1 - a) / (a s^2 + 1 - a).
    sampler = Analytic(AnalyticConfig(steps=6, examples=5000))
    gamma = sampler.prepare(normal, POINTS, data_of(normal, 5000), stream(1, "prepare"))["gamma"]
    a = whole_step_table(BETAS, 6, "linear", 1.0).alpha_bars
    # The mean square of 10,000 numbers, and that of the data that were drawn: 2 % each.
    np.testing.assert_allclose(gamma.numpy(), (1 - a) / (a * SPREAD**2 + 1 - a), rtol=0.06)


@pytest.mark.parametrize("steps", [3, 8])
def test_the_best_variance_gives_normal_data_their_spread_in_any_number_of_steps(normal, steps):
    # For normal data the reverse steps are normal, so with the right variance a short chain makes no error at all.
    sampler, a = Analytic(AnalyticConfig(steps=steps)), whole_step_table(BETAS, steps, "linear", 1.0).alpha_bars
    sampler.use({"gamma": torch.from_numpy((1 - a) / (a * SPREAD**2 + 1 - a))})
    x, plain = (draw(kind, normal, n=2000) for kind in (sampler, Subsampled(SubsampledConfig(steps=steps))))
    assert x.std().item() == pytest.approx(SPREAD, rel=0.05)
    assert plain.std().item() < 0.9 * SPREAD


@pytest.mark.parametrize("eta", [0.0, 1.0])
@torch.no_grad()
def test_the_variance_is_the_mean_posterior_variance(chain, eta):
    sampler = prepared(Analytic(AnalyticConfig(steps=10, eta=eta, examples=4000)), chain, n=4000)
    data = data_of(chain, 4000).x.double()
    known = whole_step_table(BETAS, 10, "linear", eta)
    table = sampler.table(known, POINTS)
    for step in (2, 5, 7):
        signal, noise = chain.levels(known.times[step])
        noisy = signal * data + noise * torch.randn(data.shape, generator=stream(2, "noise"), dtype=torch.float64)
        unknown = float(chain.mixture.posterior(noisy, signal, noise).variance.mean() * signal**2 / noise**2)
        expected = known.std_given_data[step] ** 2 + known.eps_mult[step] ** 2 * unknown
        # Monte Carlo: the mean square of 8,000 numbers is known to about 2 %, on both sides.
        assert table.std[step] ** 2 == pytest.approx(expected, rel=0, abs=0.05 * known.eps_mult[step] ** 2)


@torch.no_grad()
def test_at_few_steps_the_best_variance_beats_the_posteriors(chain):
    best, data = prepared(Analytic(AnalyticConfig(steps=8, examples=2000)), chain), data_of(chain, 2000).x.double()
    gaps = []
    for sampler in (best, Subsampled(SubsampledConfig(steps=8))):
        x = draw(sampler, chain, 2000).double()
        gaps.append(float((x.square().mean(0) - data.square().mean(0)).abs().max()))
    assert gaps[0] < gaps[1]


def test_own_samples_can_stand_in_for_training_data(chain):
    sampler = Analytic(AnalyticConfig(steps=20, examples=500, source="samples"))
    data = Batch(torch.zeros(10, 2))
    gamma = sampler.prepare(chain, POINTS, data, stream(0, "prepare"))["gamma"]
    from_zeros = Analytic(AnalyticConfig(steps=20, examples=500)).prepare(chain, POINTS, data, stream(0, "prepare"))["gamma"]
    assert float((gamma - from_zeros).abs().max()) > 0.05


def test_own_samples_have_the_labels_of_training_data():
    seen = []

    class Labelled(MixtureChain):
        def predict_noise(self, x, time, labels):
            seen.append(labels)
            return super().predict_noise(x, time, labels)

    chain = Labelled(four_points(classes=True), BETAS)
    data = Batch(torch.zeros(10, 2), torch.ones(10, dtype=torch.int64))
    config = AnalyticConfig(steps=3, examples=20, source="samples")
    Analytic(config).prepare(chain, DataSpec((2,), classes=2), data, stream(0, "prepare"))
    assert all(torch.equal(labels, torch.ones(20, dtype=torch.int64)) for labels in seen)
    assert len(seen) == 3 + 3  # a walk, and an estimate at each of its steps


def test_the_estimate_costs_one_call_an_example_and_step_in_chunks(chain, monkeypatch):
    monkeypatch.setattr("harness_ddpm.variances.ROWS", 16)
    rows = []
    handle = chain.register_forward_pre_hook(lambda _, arguments: rows.append(len(arguments[0])))
    Analytic(AnalyticConfig(steps=5, examples=40)).prepare(chain, POINTS, data_of(chain, 60), stream(1, "prepare"))
    handle.remove()
    assert rows == [16, 16, 8] * 5


# SN-DPM and NPR-DPM.


@pytest.mark.parametrize("kind", [SquaredNoise, Residual])
@torch.no_grad()
def test_a_trained_head_knows_the_posterior_variance(chain, kind):
    with torch.enable_grad():
        sampler = prepared(kind(HeadConfig(steps=8, training_steps=200, batch=128, lr=5e-3)), chain, n=3000)
    data, head = data_of(chain, 3000).x.double(), sampler.head(POINTS, torch.device("cpu"))
    for time in (100, 400):
        signal, noise = chain.levels(float(time))
        noisy = signal * data + noise * torch.randn(data.shape, generator=stream(2, "noise"), dtype=torch.float64)
        eps = chain.predict_noise(noisy, time, None)
        known = chain.mixture.posterior(noisy, signal, noise).variance * signal**2 / noise**2
        own = sampler.unknown(head(noisy.float(), eps.float(), torch.tensor(time / 999)), eps.float(), 1.0)
        assert float(own.mean()) == pytest.approx(float(known.mean()), abs=0.1)
    assert draw(sampler, chain).isfinite().all()


def test_what_is_unknown_is_the_output_or_what_the_square_of_the_mean_leaves_of_it():
    out, eps = torch.tensor([0.5, 0.2, 3.0]), torch.tensor([0.5, 0.6, 1.0])
    torch.testing.assert_close(Residual(HeadConfig()).unknown(out, eps, 1.0), torch.tensor([0.5, 0.2, 1.0]))
    torch.testing.assert_close(SquaredNoise(HeadConfig()).unknown(out, eps, 1.0), torch.tensor([0.25, 0.0, 1.0]))
    torch.testing.assert_close(SquaredNoise(HeadConfig()).unknown(out, eps, 0.1), torch.tensor([0.1, 0.0, 0.1]))


class Constant(torch.nn.Module):
    """Stands for a head that gives one number everywhere."""

    def __init__(self, value):
        super().__init__()
        self.value, self.times = value, []

    def forward(self, x, eps, time):
        self.times.append(float(time))
        return torch.full_like(x, self.value)


@pytest.mark.parametrize(("value", "eta"), [(0.0, 1.0), (0.3, 0.0), (1.0, 0.5)])
@torch.no_grad()
def test_a_walk_with_a_constant_head_is_analytic_dpm_with_that_number(chain, monkeypatch, value, eta):
    sampler, head = Residual(HeadConfig(steps=6, eta=eta)), Constant(value)
    monkeypatch.setattr(sampler, "head", lambda *_: head)
    analytic = Analytic(AnalyticConfig(steps=6, eta=eta))
    analytic.use({"gamma": torch.full((6,), 1 - value, dtype=torch.float64)})
    torch.testing.assert_close(draw(sampler, chain), draw(analytic, chain), rtol=1e-5, atol=1e-5)
    # The last step is its mean alone: the head is not asked. Times go from 1 to 0 over the chain.
    assert head.times == pytest.approx([1.0, 799 / 999, 599 / 999, 399 / 999, 199 / 999], abs=1e-3)


# Images, whose values are in [-1, 1].


def image_chain(values=(-0.9, 0.4)):
    """A chain whose data are images of one pixel with these values."""
    return MixtureChain(GaussianMixture(torch.tensor(values).view(-1, 1), torch.tensor([1e-3])), BETAS, PIXEL)


@pytest.mark.parametrize("kind", ["analytic", "head"])
@torch.no_grad()
def test_the_noisiest_steps_of_images_have_the_bound_of_pixels_that_are_black_or_white(monkeypatch, kind):
    # An estimate that is off by 0.05 of eps's variance is off by 1,200 times the largest variance that a pixel can have at the
    # first step, and the step would multiply it by 6.
    chain, steps, settings = image_chain(), whole_step_table(BETAS, 10, "linear", 1.0), {"steps": 10, "clip_grey_levels": None}
    share = steps.alpha_bars
    sampler: Analytic | Residual
    if kind == "analytic":
        sampler = Analytic(AnalyticConfig(**settings))
        sampler.use({"gamma": torch.full((10,), 0.95, dtype=torch.float64)})
    else:
        sampler = Residual(HeadConfig(**settings))
        monkeypatch.setattr(sampler, "head", lambda *_: Constant(0.05))
    unknown = np.minimum(0.05, share / (1 - share))
    assert unknown[0] < 1e-4
    assert unknown[-2] == 0.05
    bounded = StepTable(steps.times, share, np.sqrt(steps.std_given_data**2 + steps.eps_mult**2 * unknown), steps.std_given_data)
    bounded.std[-1] = 0.0
    streams = (SampleStreams(0, "sample", range(50)) for _ in range(2))
    expected = walk(chain, bounded, PIXEL, next(streams), None, clip=True)
    torch.testing.assert_close(sampler(chain, PIXEL, next(streams), None), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("levels", "largest"), [(2.0, 0.01966), (1.0, 0.00983), (None, None)])
@torch.no_grad()
def test_the_last_noise_of_images_has_a_bound(monkeypatch, levels, largest):
    steps = whole_step_table(BETAS, 10, "linear", 1.0)
    sampler = Analytic(AnalyticConfig(steps=10, clip_grey_levels=levels))
    sampler.use({"gamma": torch.full((10,), 0.7, dtype=torch.float64)})
    free = np.sqrt(steps.std_given_data**2 + steps.eps_mult**2 * 0.3)[-2]
    assert free > 0.05
    assert sampler.table(steps, PIXEL).std[-2] == pytest.approx(free if largest is None else largest, rel=1e-3)
    assert sampler.table(steps, POINTS).std[-2] == pytest.approx(free)
    head = Residual(HeadConfig(steps=10, clip_grey_levels=levels))
    monkeypatch.setattr(head, "head", lambda *_: Constant(0.3))
    at = {each: each(image_chain(), PIXEL, SampleStreams(0, "sample", range(20)), None) for each in (sampler, head)}
    torch.testing.assert_close(at[head], at[sampler], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (Analytic, AnalyticConfig),
        (Residual, HeadConfig),
        (Subsampled, SubsampledConfig),
        (DDIM, DDIMConfig),
        (FastDPM, FastDPMConfig),
    ],
)
@torch.no_grad()
def test_a_clipped_walk_lands_within_the_range_of_images_and_leaves_points_alone(monkeypatch, kind, config):
    monkeypatch.setattr(Residual, "head", lambda *_: Constant(0.3))
    samples = {}
    for spec in (PIXEL, POINTS):
        for clip in (True, False):
            means = torch.tensor([[-1.5], [0.4]] if spec is PIXEL else [[-1.5, -1.5]])
            chain = MixtureChain(GaussianMixture(means, torch.tensor([1e-3])), BETAS, spec)
            sampler = kind(config(steps=10, clip_denoised=clip))
            if kind is Analytic:
                sampler.use({"gamma": torch.full((10,), 0.9, dtype=torch.float64)})
            samples[spec, clip] = sampler(chain, spec, SampleStreams(0, "sample", range(40)), None)
    assert samples[PIXEL, True].abs().max() <= 1 + 1e-5
    assert samples[PIXEL, False].abs().max() > 1.3
    assert torch.equal(samples[POINTS, True], samples[POINTS, False])


def test_the_samplers_of_bao_et_al_clip_as_published_and_the_others_do_not():
    assert [config().clip_denoised for config in (AnalyticConfig, HeadConfig)] == [True, True]
    assert [config().clip_denoised for config in (SubsampledConfig, DDIMConfig, FastDPMConfig)] == [False, False, False]
    assert "clip_denoised" not in DDIMConfig().identity  # records from before the setting keep their keys


def test_the_weights_of_the_head_are_what_is_kept(chain):
    config = HeadConfig(steps=4, training_steps=2, width=4, batch=8)
    first, second = SquaredNoise(config), SquaredNoise(config)
    kept = first.prepare(chain, POINTS, data_of(chain, 50), stream(0, "prepare"))
    for sampler in (first, second):
        sampler.use(kept)
    assert torch.equal(draw(first, chain), draw(second, chain))
    weights = first.head(POINTS, torch.device("cpu")).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in kept.items())


@pytest.mark.parametrize("sampler", [Analytic(AnalyticConfig(steps=4)), Residual(HeadConfig(steps=4))])
def test_drawing_before_the_preparation_is_a_fault_of_the_caller(sampler, chain):
    assert sampler.needs_preparation
    with pytest.raises(AssertionError, match="the harness prepares the sampler before it draws"):
        draw(sampler, chain)
