"""SFT-PG and SFT on chains that can be solved by hand: phases, micro-batches, reductions, and the step itself."""

import math

import pytest
import torch
from torch import nn

from harness.capabilities import Gaussian
from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.toolkit.transitions import transition_log_prob
from harness_sft_pg import SFTPGConfig, ShortcutConfig
from harness_sft_pg.buffer import Transitions
from harness_sft_pg.pathwise import SFT
from harness_sft_pg.policy import SFTPG

SHAPE = (3,)
REAL = Batch(torch.randn(12, *SHAPE, generator=stream(0, "real")))


class Shift(nn.Module):
    """T steps, each of which adds a learned shift and noise of size 1/2."""

    def __init__(self, transitions=4):
        super().__init__()
        self.shift, self.transitions = nn.Parameter(torch.zeros(SHAPE)), transitions

    def transition(self, x, step):
        return Gaussian(x + self.shift, torch.tensor(0.5))


def no_sampler(*_):
    raise NotImplementedError


def task(steps=10, micro_batch=None):
    return InMemoryTask(Shift(), DataSpec(SHAPE), no_sampler, steps=steps, batch=12, micro_batch=micro_batch)


def run(method, config, steps=10, micro_batch=None):
    on = task(steps, micro_batch)
    built = method(config, on)
    logs = [built.step(REAL, stream(0, "step", index), index) for index in range(steps)]
    return on, built, logs


def policy(**settings):
    return SFTPGConfig(critic_width=6, **settings)


def test_the_network_moves_in_generator_phases_only():
    on = task(6)
    method = SFTPG(policy(n_critic=3), on)
    moved = []
    for index in range(6):
        before = on.model.shift.detach().clone()
        logged = method.step(REAL, stream(0, "step", index), index)
        moved.append(not torch.equal(on.model.shift, before))
        assert ("policy_loss" in logged) == moved[-1]
        assert {"critic_gap", "value_loss"} <= logged.keys()
    assert moved == [False, False, True, False, False, True]


def test_a_phase_learns_from_the_rollouts_since_the_last_one():
    on = task(6)
    method = SFTPG(policy(n_critic=3), on)
    held = []
    for index in range(6):
        method.step(REAL, stream(0, "step", index), index)
        held.append(len(method.buffer.rollouts))
    assert held == [1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("micro_batch", [1, 5])
@pytest.mark.parametrize(
    ("method", "config"),
    [
        (SFTPG, policy(n_critic=2, n_generator=2)),
        (SFTPG, policy(n_critic=2, regulariser="gradient-penalty", log_prob="mean")),
        (SFT, ShortcutConfig(critic_width=6, n_critic=2)),
    ],
)
def test_micro_batches_change_no_step(method, config, micro_batch):
    whole, parts = run(method, config), run(method, config, micro_batch=micro_batch)
    torch.testing.assert_close(parts[0].model.shift, whole[0].model.shift)
    for log, expected in zip(parts[2], whole[2], strict=True):
        torch.testing.assert_close(dict(log), dict(expected), rtol=1e-4, atol=1e-5)


def transitions(method, n=12):
    states = method._rollout(n, stream(0, "rollout"))
    step = torch.arange(n) % method.model.transitions
    return Transitions(states[step, torch.arange(n)], states[step + 1, torch.arange(n)], step, states[-1])


@pytest.mark.parametrize(("log_prob", "divisor"), [("sum", 1), ("mean", 3)])
def test_the_policy_loss_is_the_mean_of_advantage_times_log_probability(log_prob, divisor):
    method = SFTPG(policy(log_prob=log_prob), task())
    drawn, advantage = transitions(method), torch.randn(12, generator=stream(0, "advantage"))
    (loss,) = method._policy_losses(drawn, advantage)
    densities = transition_log_prob(method.model, drawn.x_next, drawn.x, drawn.step) / divisor
    torch.testing.assert_close(loss, (advantage * densities).mean())


def test_the_policy_gradient_of_a_shift_is_the_one_by_hand():
    # log p(x' | x) = -|x' - x - s|² / (2 · 0.25) + constant, whose gradient in s at 0 is (x' - x) / 0.25.
    on = task()
    method = SFTPG(policy(), on)
    drawn, advantage = transitions(method), torch.randn(12, generator=stream(0, "advantage"))
    (loss,) = method._policy_losses(drawn, advantage)
    loss.backward()
    expected = (advantage[:, None] * (drawn.x_next - drawn.x) / 0.25).mean(0)
    torch.testing.assert_close(on.model.shift.grad, expected)


def test_a_constant_advantage_has_no_gradient_on_average():
    """A baseline does not bias the gradient: the mean of grad log p is 0."""
    on = InMemoryTask(Shift(), DataSpec(SHAPE), no_sampler, steps=1, batch=20_000)
    method = SFTPG(policy(), on)
    (loss,) = method._policy_losses(transitions(method, 20_000), torch.ones(20_000))
    loss.backward()
    # Each term is normal with deviation 2: the standard error of the mean is 0.014.
    assert on.model.shift.grad.abs().max() < 0.06


def test_the_advantage_is_the_critic_less_the_value_and_takes_no_gradient():
    method = SFTPG(policy(n_critic=1), task())
    method.step(REAL, stream(0, "step"), 0)
    method.buffer.add(method._rollout(12, stream(0, "rollout")))
    for network in (method.critic, method.value):
        for parameter in network.parameters():
            parameter.grad = None
    logged = method._improve_generator(12, stream(0, "draw"))
    drawn = method.buffer.draw(12, stream(0, "draw"))
    advantage = (method.critic(drawn.final) - method.value(drawn.x, drawn.step)).squeeze(1)
    assert logged["advantage_std"].item() == pytest.approx(advantage.std(correction=0).item(), rel=1e-5)
    assert all(parameter.grad is None for parameter in method.critic.parameters())


@pytest.mark.parametrize(("method", "config"), [
    (SFTPG, policy(n_critic=2)),
    (SFTPG, policy(n_critic=2, regulariser="gradient-penalty")),
    (SFT, ShortcutConfig(critic_width=6, n_critic=2)),
])  # fmt: skip
def test_critics_values_and_rollouts_are_in_float32_inside_of_steps_that_autocast(method, config):
    """The network of this chain has no product of matrices, so that nothing is left to be rounded."""
    _, _, exact = run(method, config, steps=4)
    with torch.autocast("cpu", torch.bfloat16):
        _, _, logs = run(method, config, steps=4)
    assert [{name: value.item() for name, value in log.items()} for log in logs] == [
        {name: value.item() for name, value in log.items()} for log in exact
    ]


def test_clipping_bounds_the_step_of_the_network():
    config = policy(n_critic=1, generator_optimizer={"name": "sgd", "lr": 1.0, "clip": 1e-3})
    on, _, _ = run(SFTPG, config, steps=1)
    assert on.model.shift.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_with_a_gradient_penalty_the_values_error_does_not_reach_the_critic():
    """Two values of lambda give the same critic, since only V is fitted by the error."""
    settings = {"regulariser": "gradient-penalty", "n_critic": 20}
    critics = [run(SFTPG, policy(regulariser_weight=weight, **settings), steps=3)[1].critic for weight in (0.1, 5.0)]
    assert torch.equal(critics[0].lin1.weight, critics[1].lin1.weight)
    coupled = [run(SFTPG, policy(regulariser_weight=weight, n_critic=20), steps=3)[1].critic for weight in (0.1, 5.0)]
    assert not torch.equal(coupled[0].lin1.weight, coupled[1].lin1.weight)


def test_sft_descends_the_critic_through_all_steps():
    config = ShortcutConfig(critic_width=6, n_critic=1, generator_optimizer={"name": "sgd", "lr": 0.1})
    on = task(1)
    method = SFT(config, on)
    method.step(REAL, stream(0, "first"), 0)
    before = on.model.shift.detach().clone()
    method._improve_generator(12, stream(0, "noise"))
    # With x_T = z_0 + T s + noise, the gradient of mean f(x_T) in s is T times the mean of grad f.
    noise = torch.randn(5, 12, *SHAPE, generator=stream(0, "noise"))
    samples = (noise[0] + 4 * before + 0.5 * noise[1:].sum(0)).requires_grad_()
    (slope,) = torch.autograd.grad(method.critic(samples).mean(), samples)
    torch.testing.assert_close(on.model.shift.detach(), before - 0.1 * 4 * slope.sum(0), rtol=1e-4, atol=1e-6)


def test_sft_leaves_no_gradient_in_the_critic_after_a_generator_phase():
    _, method, logs = run(SFT, ShortcutConfig(critic_width=6, n_critic=1), steps=1)
    assert all(parameter.requires_grad for parameter in method.critic.parameters())
    gradients = [parameter.grad.clone() for parameter in method.critic.parameters()]
    method._improve_generator(12, stream(0, "noise"))
    assert all(torch.equal(parameter.grad, kept) for parameter, kept in zip(method.critic.parameters(), gradients, strict=True))
    assert set(logs[0]) == {"critic_gap", "gradient_penalty", "critic_fake"}


@pytest.mark.parametrize("method", [SFTPG, SFT])
def test_the_first_step_draws_the_networks_from_its_own_stream(method):
    config = policy() if method is SFTPG else ShortcutConfig(critic_width=6)
    built = method(config, task())
    assert not any(parameter.any() for parameter in built.critic.parameters())
    built.step(REAL, stream(0, "step"), 0)
    other = method(config, task())
    other.step(REAL, stream(1, "step"), 0)
    assert not torch.equal(built.critic.lin1.weight, other.critic.lin1.weight)


def test_schedules_know_how_many_updates_there_will_be():
    on, built, _ = run(SFT, ShortcutConfig(critic_width=6, n_critic=3, n_generator=2), steps=10)
    assert on.steps == built.critic_optimizer.updates == 10
    assert built.generator_optimizer.updates == math.floor(10 / 3) * 2 == built.generator_optimizer.count
