"""Guidance around other samplers: which network is called when, what comes out, and what the inner sampler is handed."""

import math

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import Batch, DataSpec, PreparedSampler
from harness.sampling import drawing
from harness.streams import SampleStreams, stream
from harness.testing.mixture import MixtureChain, MixtureDenoiser, four_points
from harness_guidance import AutoguidanceConfig, GuidanceConfig
from harness_guidance.guided import Autoguidance, ClassifierFree, GuidedModel

CLASSES = DataSpec((2,), classes=2)
HEUN = {"name": "heun", "steps": 6}
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)


def denoiser(shrink=1.0):
    mixture = four_points(classes=True)
    mixture.means.data.mul_(shrink)
    return MixtureDenoiser(mixture)


def chain():
    return MixtureChain(four_points(classes=True), BETAS)


def nfe(sampler, model):
    drawn = drawing.draw(
        sampler, model, CLASSES, n=8, seed=0, purpose="t", batch=8, device=torch.device("cpu")
    )  # fmt: skip
    return drawn.nfe


def samples(sampler, model):
    return sampler(model, CLASSES, SampleStreams(0, "t", range(8)), torch.arange(8) % 2)


def autoguidance(guide, **settings):
    sampler = Autoguidance(AutoguidanceConfig(sampler=HEUN, guide="small", **settings))
    sampler.take_networks({"small": guide, "other": denoiser()})
    return sampler


class Spy(torch.nn.Module):
    """A guide that answers zero, and keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def denoise(self, x, sigma, labels):
        self.calls.append((float(sigma.flatten()[0]), labels))
        return torch.zeros_like(x)

    def predict_noise(self, x, time, labels):
        self.calls.append((float(torch.as_tensor(time).flatten()[0]), labels))
        return torch.zeros_like(x)


# The guided model.


@pytest.mark.parametrize("sigma", [0.05, 0.1, 1.0, 2.0, 2.1])
def test_inside_the_interval_the_guide_counts_and_outside_it_is_not_called(sigma):
    main, guide, x = denoiser(), Spy(), torch.ones(3, 2, dtype=torch.float64)
    model = GuidedModel(AutoguidanceConfig(weight=3, low=0.1, high=2), main, guide, guide_has_labels=True)
    level = torch.tensor(sigma, dtype=torch.float64)
    plain = main.denoise(x, level, None)
    is_inside = 0.1 <= sigma <= 2  # both ends are
    torch.testing.assert_close(model.denoise(x, level, None), 3 * plain if is_inside else plain)
    assert [level for level, _ in guide.calls] == ([sigma] if is_inside else [])


@pytest.mark.parametrize(("weight", "convention"), [(1.0, "edm2"), (0.0, "var")])
def test_a_weight_without_effect_calls_no_guide(weight, convention):
    main, guide, x = denoiser(), Spy(), torch.ones(3, 2, dtype=torch.float64)
    model = GuidedModel(GuidanceConfig(weight=weight, convention=convention), main, guide, guide_has_labels=True)
    assert torch.equal(model.denoise(x, torch.tensor(1.0), None), main.denoise(x, torch.tensor(1.0), None))
    assert guide.calls == []


@pytest.mark.parametrize("has_labels", [True, False])
def test_a_guide_is_given_the_labels_or_none(has_labels):
    guide, labels = Spy(), torch.tensor([0, 1, 0])
    model = GuidedModel(GuidanceConfig(weight=2), denoiser(), guide, guide_has_labels=has_labels)
    model.denoise(torch.ones(3, 2), torch.tensor(1.0), labels)
    ((_, given),) = guide.calls
    assert given is (labels if has_labels else None)


def test_a_batch_of_equal_levels_is_one_level():
    guide, x = Spy(), torch.ones(3, 2)
    model = GuidedModel(GuidanceConfig(weight=2, low=0.5), denoiser(), guide, guide_has_labels=True)
    torch.testing.assert_close(model.denoise(x, torch.full((3,), 1.0), None), model.denoise(x, torch.tensor(1.0), None))
    model.denoise(x, torch.full((3,), 0.4), None)
    assert len(guide.calls) == 2


def test_levels_and_chain_are_those_of_the_main_network():
    main = denoiser()
    model = GuidedModel(GuidanceConfig(weight=2), main, Spy(), guide_has_labels=True)
    assert model.sigma_range == main.sigma_range
    assert torch.equal(GuidedModel(GuidanceConfig(weight=2), chain(), Spy(), guide_has_labels=True).chain_betas, BETAS)


def test_the_networks_are_no_part_of_the_guided_model():
    # Else the harness would watch them twice, and their weights would stand twice in a state dict.
    model = GuidedModel(GuidanceConfig(weight=2), denoiser(), denoiser(), guide_has_labels=True)
    assert list(model.children()) == []
    assert model.state_dict() == {}


def test_guidance_is_the_gradient_of_a_sharpened_class():
    # grad log p(x) + w (grad log p(x|c) - grad log p(x)), by Tweedie: the denoiser is a line in the score.
    mixture = four_points(classes=True)
    model = GuidedModel(GuidanceConfig(weight=2), denoiser(), denoiser(), guide_has_labels=False)
    x, sigma = torch.tensor([[0.1, 0.2]], dtype=torch.float64, requires_grad=True), torch.tensor(0.5, dtype=torch.float64)
    labels, signal = torch.tensor([0]), torch.ones(())
    log_p = 2 * mixture.noisy_log_prob(x, signal, sigma, labels) - mixture.noisy_log_prob(x, signal, sigma)
    score = torch.autograd.grad(log_p.sum(), x)[0]
    torch.testing.assert_close(model.denoise(x, sigma, labels), x + sigma**2 * score)


def test_guided_noise_is_the_noise_of_the_guided_data():
    # x_0 = (x - sqrt(1 - a) eps) / sqrt(a) is a line in eps, and the weights add up to one.
    main, guide = chain(), MixtureChain(four_points(0.3, classes=True), BETAS)
    model = GuidedModel(GuidanceConfig(weight=2.5), main, guide, guide_has_labels=True)
    x, labels, time = torch.randn(4, 2, dtype=torch.float64), torch.arange(4) % 2, 300
    signal, noise = main.levels(time)

    def clean(network):
        return (x - noise * network.predict_noise(x, time, labels)) / signal

    torch.testing.assert_close(clean(model), clean(guide) + 2.5 * (clean(main) - clean(guide)))


@pytest.mark.parametrize("time", [0, 3, 400, 999, 400.3])
def test_a_chains_interval_is_of_its_noise_relative_to_its_signal(time):
    signal, noise = chain().levels(round(time))
    sigma = float(noise / signal)
    x = torch.ones(3, 2, dtype=torch.float64)
    for low, is_inside in ((sigma * 0.99, True), (sigma * 1.01, False)):
        guide = Spy()
        model = GuidedModel(GuidanceConfig(weight=2, low=low), chain(), guide, guide_has_labels=True)
        model.predict_noise(x, time, None)
        model.predict_noise(x, torch.full((3,), float(time)), None)
        assert len(guide.calls) == (2 if is_inside else 0)


# The samplers.


def test_the_two_conventions_differ_by_one():
    first = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=2.5))
    second = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=1.5, convention="var"))
    assert torch.equal(samples(first, denoiser()), samples(second, denoiser()))


def test_guided_passes_count_double_and_unguided_ones_once():
    assert nfe(ClassifierFree(GuidanceConfig(sampler=HEUN, weight=2)), denoiser()) == 22
    assert nfe(ClassifierFree(GuidanceConfig(sampler=HEUN, weight=1)), denoiser()) == 11
    # The six levels: 80, 24.4, 5.8, 0.96, 0.09, 0.002. Inside are 24.4 and 5.8, each of them seen twice.
    assert nfe(ClassifierFree(GuidanceConfig(sampler=HEUN, weight=2, low=1, high=50)), denoiser()) == 15


def test_both_networks_of_autoguidance_count():
    assert nfe(autoguidance(denoiser(), weight=2), denoiser()) == 22


def test_an_interval_without_levels_is_no_guidance_and_one_with_all_is_all():
    def drawn(weight, **interval):
        return samples(autoguidance(denoiser(shrink=0.5), weight=weight, **interval), denoiser())

    assert torch.equal(drawn(2, low=30, high=70), drawn(1))  # between the levels 24.4 and 80
    assert torch.equal(drawn(2, low=0.001, high=80), drawn(2))
    assert not torch.equal(drawn(2), drawn(1))
    # Only the first step is guided here.
    assert not torch.equal(drawn(2, low=70), drawn(1))
    assert not torch.equal(drawn(2, low=70), drawn(2))


def test_a_guide_equal_to_the_network_changes_nothing():
    model = denoiser()
    plain = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=1))
    torch.testing.assert_close(samples(autoguidance(model, weight=3), model), samples(plain, model), rtol=0, atol=1e-6)


def test_data_without_classes_have_nothing_to_guide_by():
    model, points = MixtureDenoiser(four_points()), DataSpec((2,))
    guided = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=3))
    x = guided(model, points, SampleStreams(0, "t", range(4)), None)
    assert torch.equal(x, guided.inner(model, points, SampleStreams(0, "t", range(4)), None))


@torch.no_grad()
def test_more_guidance_makes_samples_more_typical_of_their_class():
    mixture, labels = four_points(0.4, classes=True), torch.arange(8) % 2  # so wide that the classes overlap

    def certainty(weight):
        sampler = ClassifierFree(GuidanceConfig(sampler={"name": "heun", "steps": 12}, weight=weight))
        x = samples(sampler, MixtureDenoiser(mixture)).double()
        return float((mixture.log_prob(x, labels) - mixture.log_prob(x)).mean())

    assert certainty(0.5) < certainty(1.0) < certainty(3.0)


def test_chains_are_guided_inside_their_interval_too():
    inner = {"name": "ddim", "steps": 10}
    assert nfe(ClassifierFree(GuidanceConfig(sampler=inner, weight=2)), chain()) == 20
    assert 10 < nfe(ClassifierFree(GuidanceConfig(sampler=inner, weight=2, low=0.5, high=5)), chain()) < 20


def test_autoguidance_without_a_board_says_what_it_lacks():
    sampler = Autoguidance(AutoguidanceConfig(sampler=HEUN, guide="small"))
    with pytest.raises(
        UserError, match="its guide 'small' is a base of a board, and there is no board here; run the sampler from"
    ):
        samples(sampler, denoiser())


def test_only_its_own_guide_is_taken_out_of_the_boards_bases():
    guide = denoiser()
    assert autoguidance(guide).networks == {"small": guide}
    assert ClassifierFree(GuidanceConfig(sampler=HEUN)).networks == {}


def test_guidance_around_guidance_hands_the_bases_on():
    small, other, model = denoiser(0.5), denoiser(0.7), denoiser()
    inner = {"name": "autoguidance", "guide": "small", "weight": 2, "sampler": HEUN}
    both = ClassifierFree(GuidanceConfig(sampler=inner, weight=2))
    both.take_networks({"small": small, "other": other})
    assert both.networks == {"small": small}
    # The inner guidance calls the guided main network, two passes, and its guide.
    assert nfe(both, model) == 3 * 11
    twice = Autoguidance(AutoguidanceConfig(sampler=inner, guide="other", weight=2))
    twice.take_networks({"small": small, "other": other})
    assert twice.networks == {"small": small, "other": other}
    assert samples(twice, model).isfinite().all()


def test_an_inner_sampler_is_prepared_on_the_model_without_guidance():
    inner = {"name": "analytic-dpm", "steps": 4, "examples": 20}
    guided = ClassifierFree(GuidanceConfig(sampler=inner, weight=2))
    assert guided.needs_preparation
    assert not ClassifierFree(GuidanceConfig(sampler=HEUN)).needs_preparation
    x, labels = four_points(classes=True).sample(50, stream(0, "data"))
    data = Batch(x.float(), labels)
    prepared = guided.prepare(chain(), CLASSES, data, stream(1, "prepare"))
    assert isinstance(guided.inner, PreparedSampler)
    plain = guided.inner.prepare(chain(), CLASSES, data, stream(1, "prepare"))
    assert torch.equal(prepared["gamma"], plain["gamma"])
    guided.use(prepared)
    assert vars(guided.inner)["gamma"] is prepared["gamma"]
    assert math.isfinite(float(samples(guided, chain()).sum()))
