"""Guidance around other samplers."""

import pydantic
import pytest
import torch

from harness.interfaces import DataSpec
from harness.sampling import drawing
from harness.streams import SampleStreams
from harness.testing.mixture import MixtureChain, MixtureDenoiser, four_points
from harness_guidance import AutoguidanceConfig, GuidanceConfig, formula
from harness_guidance.guided import Autoguidance, ClassifierFree, GuidedModel

CLASSES = DataSpec((2,), classes=2)
HEUN = {"name": "heun", "steps": 6}


def denoiser():
    return MixtureDenoiser(four_points(classes=True))


def nfe(sampler, model):
    drawn = drawing.draw(
        sampler, model, CLASSES, n=8, seed=0, purpose="t", batch=8, device=torch.device("cpu")
    )  # fmt: skip
    return drawn.nfe


def samples(sampler, model):
    return sampler(model, CLASSES, SampleStreams(0, "t", range(8)), torch.arange(8) % 2)


def test_the_two_conventions_differ_by_one():
    first = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=2.5))
    second = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=1.5, convention="var"))
    assert torch.equal(samples(first, denoiser()), samples(second, denoiser()))


def test_guided_passes_count_double_and_unguided_ones_once():
    assert nfe(ClassifierFree(GuidanceConfig(sampler=HEUN, weight=2)), denoiser()) == 22
    assert nfe(ClassifierFree(GuidanceConfig(sampler=HEUN, weight=1)), denoiser()) == 11
    # The six levels: 80, 24.4, 5.8, 0.96, 0.09, 0.002. Inside are 24.4 and 5.8, each of them seen twice.
    assert nfe(ClassifierFree(GuidanceConfig(sampler=HEUN, weight=2, low=1, high=50)), denoiser()) == 15


@pytest.mark.parametrize("sigma", [0.05, 0.1, 1.0, 2.0, 2.1])
def test_inside_the_interval_the_guide_counts_and_outside_it_is_not_called(sigma):
    calls = []

    class Guide(torch.nn.Module):
        def denoise(self, x, sigma, labels):
            calls.append(float(sigma))
            return torch.zeros_like(x)

    main, x, level = denoiser(), torch.ones(3, 2, dtype=torch.float64), torch.tensor(sigma, dtype=torch.float64)
    model = GuidedModel(AutoguidanceConfig(weight=3, low=0.1, high=2), main, Guide(), guide_has_labels=True)
    plain = main.denoise(x, level, None)
    is_inside = 0.1 <= sigma <= 2  # both ends are
    torch.testing.assert_close(model.denoise(x, level, None), 3 * plain if is_inside else plain)
    assert calls == ([sigma] if is_inside else [])


def test_an_interval_without_levels_is_no_guidance_and_one_with_all_is_all():
    def drawn(weight, **interval):
        sampler = Autoguidance(AutoguidanceConfig(sampler=HEUN, weight=weight, guide="other", **interval))
        other = four_points(classes=True)
        other.means.data.mul_(0.5)
        sampler.take_networks({"other": MixtureDenoiser(other)})
        return samples(sampler, denoiser())

    assert torch.equal(drawn(2, low=30, high=70), drawn(1))  # between the levels 24.4 and 80
    assert torch.equal(drawn(2, low=0.001, high=80), drawn(2))
    assert not torch.equal(drawn(2), drawn(1))
    # Only the first step is guided here.
    assert not torch.equal(drawn(2, low=70), drawn(1))
    assert not torch.equal(drawn(2, low=70), drawn(2))


def test_both_networks_of_autoguidance_count():
    sampler = Autoguidance(AutoguidanceConfig(sampler=HEUN, weight=2, guide="small"))
    sampler.take_networks({"small": denoiser()})
    assert nfe(sampler, denoiser()) == 22


def test_a_guide_equal_to_the_network_changes_nothing():
    model = denoiser()
    sampler = Autoguidance(AutoguidanceConfig(sampler=HEUN, weight=3, guide="same"))
    sampler.take_networks({"same": model})
    plain = ClassifierFree(GuidanceConfig(sampler=HEUN, weight=1))
    torch.testing.assert_close(samples(sampler, model), samples(plain, model), rtol=0, atol=1e-6)


def test_guidance_is_the_gradient_of_a_sharpened_class():
    # grad log p(x) + w (grad log p(x|c) - grad log p(x)), by Tweedie: the denoiser is a line in the score.
    mixture = four_points(classes=True)
    model = GuidedModel(GuidanceConfig(weight=2), denoiser(), denoiser(), guide_has_labels=False)
    x, sigma = torch.tensor([[0.1, 0.2]], dtype=torch.float64, requires_grad=True), torch.tensor(0.5, dtype=torch.float64)
    labels = torch.tensor([0])
    one = torch.ones(())
    log_p = 2 * mixture.noisy_log_prob(x, one, sigma, labels) - mixture.noisy_log_prob(x, one, sigma)
    score = torch.autograd.grad(log_p.sum(), x)[0]
    torch.testing.assert_close(model.denoise(x, sigma, labels), x + sigma**2 * score)


def test_chains_are_guided_inside_their_interval_too():
    chain = MixtureChain(four_points(classes=True), torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    inner = {"name": "ddim", "steps": 10}
    assert nfe(ClassifierFree(GuidanceConfig(sampler=inner, weight=2)), chain) == 20
    assert 10 < nfe(ClassifierFree(GuidanceConfig(sampler=inner, weight=2, low=0.5, high=5)), chain) < 20


def test_a_wrong_inner_sampler_is_named():
    with pytest.raises(pydantic.ValidationError, match="did you mean 'heun'"):
        GuidanceConfig(sampler="heum")
    with pytest.raises(pydantic.ValidationError, match="sampler heun: stepz"):
        GuidanceConfig(sampler={"name": "heun", "stepz": 3})


def test_settings_inside_are_part_of_the_identity_defaults_included():
    dumped = GuidanceConfig(sampler={"name": "heun", "steps": 6}).model_dump(mode="json")
    assert dumped["sampler"]["settings"] == {"steps": 6, "rho": 7.0}
    assert GuidanceConfig().model_dump(mode="json")["sampler"]["settings"] == {"steps": 18, "rho": 7.0}
    assert GuidanceConfig.model_validate(dumped) == GuidanceConfig(sampler=HEUN)


class Weak(MixtureDenoiser):
    """Shrinks what it denoises."""

    def denoise(self, x, sigma, labels):
        return 0.9 * super().denoise(x, sigma, labels)


def test_the_formula_of_records_is_what_the_model_computes():
    main, guide = denoiser(), Weak(four_points(classes=True))
    for config in (
        AutoguidanceConfig(sampler=HEUN, guide="weak", weight=2.5, low=0.5, high=3.0),
        AutoguidanceConfig(sampler=HEUN, guide="weak", weight=1.5, convention="var", low=0.5, high=3.0),
    ):
        text = formula(config)
        assert text == "weak + 2.5 * (main - weak) for 0.5 <= sigma <= 3, else main"
        x, labels = torch.ones(4, 2), torch.arange(4) % 2
        for sigma in (torch.tensor(1.0), torch.tensor(5.0)):
            networks = {"main": main.denoise(x, sigma, labels), "weak": guide.denoise(x, sigma, labels)}
            expected = eval(text.split(" for ")[0], networks) if 0.5 <= sigma <= 3 else networks["main"]
            found = GuidedModel(config, main, guide, guide_has_labels=True).denoise(x, sigma, labels)
            torch.testing.assert_close(found, expected)
    assert formula(GuidanceConfig(sampler=HEUN)) == "unlabelled + 1.5 * (main - unlabelled) for 0 <= sigma <= inf, else main"
