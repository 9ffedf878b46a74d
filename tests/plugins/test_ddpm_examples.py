"""A walk that starts at training examples: which are kept, which are drawn, and with how much noise."""

import pytest
import torch

from harness.components import Sampler
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.mixture import GaussianMixture, MixtureChain
from harness.testing.samplers import check_sampler
from harness_ddpm import SubsampledConfig
from harness_ddpm.examples import MOST, Examples
from harness_ddpm.walks import Subsampled

BETAS = torch.linspace(1e-5, 2e-3, 100, dtype=torch.float64)  # the last signal share is 0.9: q_T is far from N(0, I)
POINTS = DataSpec((2,))


def streams(n):
    return SampleStreams(0, "sample", range(n))


def sample(config, chain, train, n=4000):
    sampler = Subsampled(config)
    if sampler.needs_preparation:
        sampler.use(sampler.prepare(chain, POINTS, train, stream(0, "prepare")))
    return sampler(chain, POINTS, streams(n), None)


def test_a_short_chain_gives_the_data_back_from_its_own_last_level_and_not_from_pure_noise():
    spread = 0.1
    chain = MixtureChain(GaussianMixture(torch.full((1, 2), 0.5), torch.tensor([spread])), BETAS)
    train = Batch(0.5 + spread * torch.randn(5000, 2, generator=stream(0, "train")))
    settings = {"steps": None, "variance": "beta"}
    right = sample(SubsampledConfig(start="data", **settings), chain, train)
    wrong = sample(SubsampledConfig(**settings), chain, train)
    torch.testing.assert_close(right.mean(0), torch.full((2,), 0.5), rtol=0, atol=0.01)
    torch.testing.assert_close(right.std(0), torch.full((2,), spread), rtol=0, atol=0.01)
    assert wrong.std(0).min() > 1.25 * spread
    assert (0.5 - wrong.mean(0)).min() > 0.02


def test_without_noise_the_start_is_an_example_and_each_is_as_likely():
    examples = Examples(Examples.chosen(Batch(torch.arange(5.0)[:, None]), stream(0, "prepare")))
    drawn = examples.noised(1.0, streams(5000), None)
    values, counts = drawn.unique(return_counts=True)
    assert values.tolist() == [0, 1, 2, 3, 4]
    assert counts.double().std() < 3 * 5000**0.5 * 0.4


def test_the_noise_is_that_of_the_level():
    examples = Examples({"x": torch.full((3, 2), 2.0)})
    drawn = examples.noised(0.36, streams(5000), None)
    assert drawn.mean().item() == pytest.approx(0.6 * 2, abs=0.03)
    assert drawn.std().item() == pytest.approx(0.8, abs=0.03)


def test_examples_of_the_wanted_label_are_drawn():
    train = Batch(torch.arange(12.0)[:, None], torch.arange(12) % 3)
    examples = Examples(Examples.chosen(train, stream(0, "prepare")))
    labels = torch.arange(600) % 3
    drawn = examples.noised(1.0, streams(600), labels)[:, 0].long()
    assert torch.equal(drawn % 3, labels)
    assert len(drawn.unique()) == 12


def test_at_most_so_many_examples_are_kept_and_none_twice():
    kept = Examples.chosen(Batch(torch.arange(MOST + 5.0)[:, None]), stream(0, "prepare"))["x"]
    assert len(kept) == MOST == len(kept.unique())


def test_the_sampler_from_data_passes_the_checks_of_samplers():
    component = registry().get(Sampler, "ddpm", where="test")
    chain = MixtureChain(GaussianMixture(torch.zeros(1, 2), torch.tensor([0.3])), BETAS)
    check_sampler(component, chain, POINTS, config=SubsampledConfig(steps=4, start="data"))


def test_a_start_at_noise_keeps_its_key_and_needs_no_preparation():
    assert "start" not in SubsampledConfig().identity
    assert not Subsampled(SubsampledConfig()).needs_preparation
