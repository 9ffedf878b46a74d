"""The Gaussian chain of denoisers, where the perfect denoiser is known."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.toolkit.denoising import ChainLevels, GaussianChain, column
from harness.toolkit.transitions import rollout


class Perfect(GaussianChain):
    """The best denoiser of normal data of standard deviation 0.5."""

    takes_labels = False
    spec = DataSpec((2,))

    def __init__(self, **settings):
        self.config = ChainLevels(**settings)

    def denoise(self, x, sigma, labels):
        return x * 0.25 / (0.25 + column(sigma, x) ** 2)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_a_long_chain_on_a_perfect_denoiser_gives_the_data(noise):
    model = Perfect(chain_steps=800, chain_noise=noise)
    states = rollout(model, torch.randn(801, 4000, 2, generator=stream(0, "chain")))
    assert states[-1].std().item() == pytest.approx(0.5, rel=0.03)  # 8,000 numbers: 0.8 %; Euler's steps add the rest
    assert abs(states[-1].mean().item()) < 0.03


def test_with_all_its_noise_a_step_is_the_posterior_of_the_next_level():
    model = Perfect(chain_steps=5)
    here, following = (float(model._chain["here"][index]) for index in (2, 3))
    x = torch.randn(3, 2, generator=stream(0, "x"))
    mean, std = model.transition(x, 2)
    clean, share = model.denoise(x, torch.tensor(here), None), following**2 / here**2
    torch.testing.assert_close(mean, share * x + (1 - share) * clean)
    assert std.item() == pytest.approx(following * (1 - share) ** 0.5)


def test_a_batch_of_steps_is_each_step_on_its_own_and_the_first_starts_from_unit_noise():
    model = Perfect(chain_steps=4)
    x = torch.randn(4, 2, generator=stream(0, "x"))
    batch = model.transition(x, torch.arange(4))
    for step in range(4):
        one = model.transition(x[step : step + 1], step)
        torch.testing.assert_close(batch.mean[step : step + 1], one.mean)
        torch.testing.assert_close(batch.std[step].flatten(), one.std.flatten())
    level = model.config.sigma_max
    noisy = level * x
    expected = noisy + (model._chain["down"][0] - level) / level * (noisy - model.denoise(noisy, torch.tensor(level), None))
    torch.testing.assert_close(model.transition(x, 0).mean, expected)


def test_a_conditional_network_has_no_chain():
    model = Perfect()
    model.takes_labels = True
    with pytest.raises(UserError, match="is_conditional: false"):
        model.transition(torch.zeros(1, 2), 0)
