"""The head of SN-DPM and NPR-DPM: its inputs, its positive outputs, and its training."""

import math

import pytest
import torch

from harness.interfaces import Batch
from harness.streams import stream
from harness.testing.mixture import GaussianMixture, MixtureChain, four_points
from harness_ddpm import HeadConfig
from harness_ddpm.variance_head import FREQUENCIES, VarianceHead, relative_time, train_head

BETAS = torch.linspace(1e-4, 0.02, 100, dtype=torch.float64)


@pytest.mark.parametrize(("shape", "kind"), [((2,), torch.nn.Linear), ((3, 6, 6), torch.nn.Conv2d)])
def test_points_have_linear_layers_and_images_convolutions(shape, kind):
    head, x = VarianceHead(shape, 5), torch.randn(4, *shape)
    assert all(isinstance(layer, kind) for layer in head.layers)
    out = head(x, torch.randn_like(x), torch.tensor([0.0, 0.1, 0.5, 1.0]))
    assert out.shape == x.shape
    assert (out > 0).all()


def test_one_time_for_all_is_a_batch_of_equal_times():
    head, x, eps = VarianceHead((2,), 5), torch.randn(3, 2), torch.randn(3, 2)
    torch.testing.assert_close(head(x, eps, torch.tensor(0.3)), head(x, eps, torch.full((3,), 0.3)))


def test_the_first_layer_sees_state_noise_and_waves_of_the_time():
    head, seen = VarianceHead((2,), 5), []
    head.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x, eps = torch.randn(1, 2), torch.randn(1, 2)
    head(x, eps, torch.tensor(0.25))
    angles = [math.pi * 0.25 * 2**k for k in range(FREQUENCIES)]
    waves = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    torch.testing.assert_close(seen[0], torch.cat([x, eps, torch.tensor([waves])], 1), rtol=0, atol=1e-5)


def test_a_convolutional_head_moves_with_the_image():
    head, x, eps = VarianceHead((1, 8, 8), 4), torch.randn(1, 1, 8, 8), torch.randn(1, 1, 8, 8)
    there = head(x.roll(1, 3), eps.roll(1, 3), torch.tensor(0.5))
    here = head(x, eps, torch.tensor(0.5)).roll(1, 3)
    torch.testing.assert_close(there[..., 4:-4], here[..., 4:-4])  # three layers see three pixels to each side


def test_times_run_from_zero_to_one_over_the_chain():
    assert [relative_time(t, 1000) for t in (0, 999)] == [0, 1]
    assert relative_time(0, 1) == 0
    torch.testing.assert_close(relative_time(torch.tensor([0, 5]), 11), torch.tensor([0.0, 0.5]))


def config(**changes):
    return HeadConfig(**{"training_steps": 3, "batch": 16, "width": 4} | changes)


def trained(chain, *, seed=0, residual=True, **changes):
    x, labels = chain.mixture.sample(100, stream(0, "data"))
    data = Batch(x.float(), labels)
    return train_head(config(**changes), chain, chain.spec, data, stream(seed, "head"), predicts_residual=residual)


def test_training_repeats_with_its_generator_and_leaves_torchs_randomness_and_the_network_alone():
    chain = MixtureChain(four_points(), BETAS)
    before, weights = torch.get_rng_state(), {name: value.clone() for name, value in chain.state_dict().items()}
    first, second, other = (trained(chain, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], value) for name, value in second.items())
    assert not all(torch.equal(first[name], value) for name, value in other.items())
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, weights[name]) for name, value in chain.state_dict().items())
    assert all(parameter.grad is None for parameter in chain.parameters())


def test_the_network_is_called_once_an_example_and_step_with_the_examples_labels():
    seen = []

    class Labelled(MixtureChain):
        def predict_noise(self, x, time, labels):
            seen.append((len(x), time, labels))
            return super().predict_noise(x, time, labels)

    trained(Labelled(four_points(classes=True), BETAS))
    assert [rows for rows, _, _ in seen] == [16, 16, 16]
    assert all(labels.shape == times.shape == (16,) for _, times, labels in seen)
    assert all(int(times.min()) >= 0 and int(times.max()) < 100 for _, times, _ in seen)


@pytest.mark.parametrize("residual", [True, False])
def test_the_head_learns_the_mean_of_its_target(residual):
    # Normal data of spread 0.5 at one level: E eps^2 = 1, and E (eps - eps_theta)^2 = a s^2 / (a s^2 + 1 - a).
    betas = torch.full((1,), 0.5, dtype=torch.float64)
    chain = MixtureChain(GaussianMixture(torch.zeros(1, 2), torch.tensor([0.5])), betas)
    head = trained(chain, residual=residual, training_steps=120, batch=256, lr=2e-2)
    clean = 0.5 * torch.randn(4000, 2, generator=stream(3, "x"))
    noisy = 0.5**0.5 * clean + 0.5**0.5 * torch.randn(4000, 2, generator=stream(4, "x"))
    with torch.no_grad():
        mean = head(noisy, chain.predict_noise(noisy, 0, None), torch.tensor(0.0)).mean().item()
    assert mean == pytest.approx(0.125 / 0.625 if residual else 1.0, rel=0.12)
