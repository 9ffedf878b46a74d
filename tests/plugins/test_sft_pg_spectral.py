"""Spectral norm as the critic's regulariser: norms, initial weights, the checkpoint, and the training of a step."""

import pytest
import torch

from harness.capabilities import Gaussian
from harness.components import Method
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.methods import Bench, check_resume_is_exact
from harness.testing.task import InMemoryTask
from harness_sft_pg import SFTPGConfig, choice, spectral
from harness_sft_pg.policy import SFTPG

POINTS, IMAGES = DataSpec((2,)), DataSpec((1, 32, 32))
CONFIG = SFTPGConfig(critic_width=16, critic_features=4, value_widths=(8, 8, 8), regulariser="spectral-norm")


def critic(spec):
    made, plain = spectral.constrain(choice.critic(CONFIG, spec)), choice.critic(CONFIG, spec)
    choice.initialise(plain, stream(0, "critic"))
    spectral.initialise(made, plain, stream(0, "vectors"))
    return made, plain


@pytest.mark.parametrize("spec", [POINTS, IMAGES])
def test_each_layer_has_the_spectral_norm_1_and_the_direction_of_the_plain_weights(spec):
    made, plain = critic(spec)
    for _ in range(100):
        made(torch.zeros(1, *spec.shape))  # a power iteration each
    for layer, source in zip(spectral.layers(made), spectral.layers(plain), strict=True):
        expected = source.weight / torch.linalg.matrix_norm(source.weight.flatten(1), 2)
        torch.testing.assert_close(layer.weight, expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(layer.bias, source.bias)


def test_making_a_critic_draws_nothing_from_global_randomness():
    before = torch.get_rng_state()
    critic(POINTS)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_critic_of_points_has_slopes_of_at_most_1():
    made, _ = critic(POINTS)
    x = torch.randn(200, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(made(x).sum(), x)
    assert slope.norm(dim=1).max() <= 1.01


class Drift(torch.nn.Module):
    transitions = 3

    def __init__(self):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.zeros(2))

    def transition(self, x, step):
        return Gaussian(x + self.shift, torch.tensor(0.5))


def test_the_critic_learns_under_its_norm_and_v_does_not_reach_it():
    real, losses = Batch(torch.randn(8, 2, generator=stream(0, "real"))), []
    for weight in (0.1, 5.0):
        settings = CONFIG.model_copy(update={"regulariser_weight": weight})
        on = InMemoryTask(Drift(), POINTS, lambda *_: torch.zeros(1, 2), steps=3, batch=8)
        method = SFTPG(settings, on)
        for index in range(3):
            method.step(real, stream(0, "step", index), index)
        losses.append({name: value.clone() for name, value in method.critic.state_dict().items()})
    for name, value in losses[0].items():
        torch.testing.assert_close(value, losses[1][name])
    start, _ = critic(POINTS)
    assert any(not torch.equal(value, start.state_dict()[name]) for name, value in losses[0].items())


def test_a_stopped_run_goes_on_bit_for_bit():
    method = registry().get(Method, "sft-pg", where="test")

    def task():
        return InMemoryTask(Drift(), POINTS, lambda *_: torch.zeros(1, 2), steps=7, batch=8)

    real = Batch(torch.randn(16, 2, generator=stream(0, "real")))
    check_resume_is_exact(Bench(method, CONFIG, task, real), stops=[1, 4])
