"""SFT-PG: the sign, the gradients and the buffer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from harness.capabilities import Gaussian
from harness.components import Method
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.methods import Bench, check_method, check_resume_is_exact
from harness.testing.task import InMemoryTask
from harness.toolkit.transitions import rollout, transition_log_prob
from harness_sft_pg import SFTPGConfig, ShortcutConfig
from harness_sft_pg.buffer import TransitionBuffer
from harness_sft_pg.losses import STEPS_AT_ONCE, backward_critic_and_value, gradient_penalty
from harness_sft_pg.networks import Critic, Value, initialise
from harness_sft_pg.pathwise import SFT
from harness_sft_pg.policy import SFTPG

SPEC = DataSpec((2,))


class Drift(nn.Module):
    """A chain of T steps, each of which adds a learned shift and noise of size 1/2."""

    def __init__(self, steps: int = 3) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(2))
        self.steps = steps

    @property
    def transitions(self) -> int:
        return self.steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        return Gaussian(x + self.shift, torch.tensor(0.5))


def task(steps: int = 12, batch: int = 8) -> InMemoryTask:
    return InMemoryTask(Drift(), SPEC, lambda *_: torch.zeros(1, 2), steps=steps, batch=batch)


def real(n: int = 8) -> Batch:
    return Batch(torch.tensor([3.0, 0.0]) + 0.1 * torch.randn(n, 2, generator=stream(0, "real")))


def networks(steps: int, width: int = 5) -> tuple[Critic, Value]:
    critic, value = Critic((2,), width).double(), Value((2,), steps, width).double()
    initialise(critic, stream(0, "critic"))
    initialise(value, stream(0, "value"))
    return critic, value


@pytest.mark.parametrize("method", [SFTPG, SFT])
def test_the_critic_is_high_on_samples_and_training_moves_them_to_the_data(method: type[SFTPG] | type[SFT]) -> None:
    on = task(steps=400, batch=64)
    settings = {"critic_width": 32, "generator_optimizer": {"lr": 0.02}}
    built = SFTPG(SFTPGConfig(**settings), on) if method is SFTPG else SFT(ShortcutConfig(gradient_penalty=0.1, **settings), on)
    data = real(64)
    for index in range(on.steps):
        built.step(data, stream(0, "t", index), index)
        if index == 50:
            samples = rollout(built.model, torch.randn(4, 256, 2, generator=stream(0, "check")))[-1]
            assert built.critic(samples).mean() > built.critic(data.x).mean()
    # Three shifts must carry samples from 0 towards 3 on the first axis, and leave the second where it is.
    assert on.model.shift[0].item() > 0.5
    assert abs(on.model.shift[1].item()) < 0.3


def test_one_policy_step_lowers_the_critic_on_samples() -> None:
    on = task(batch=512)
    method = SFTPG(SFTPGConfig(critic_width=16, generator_optimizer={"name": "sgd", "lr": 0.01}), on)
    initialise(method.critic, stream(0, "critic"))
    initialise(method.value, stream(0, "value"))
    noise = torch.randn(4, 2000, 2, generator=stream(0, "check"))
    with torch.no_grad():
        before = method.critic(rollout(method.model, noise)[-1]).mean()
        for index in range(5):
            method.buffer.add(method._rollout(512, stream(0, "rollout", index)))
    method._improve_generator(512, stream(0, "draw"))
    with torch.no_grad():
        assert method.critic(rollout(method.model, noise)[-1]).mean() < before


def test_the_policy_gradient_is_the_gradient_through_the_sampler_on_average() -> None:
    model, (critic, value) = Drift().double(), networks(steps=3)
    n = 200_000
    noise = torch.randn(4, n, 2, generator=stream(0, "noise"), dtype=torch.float64)
    (pathwise,) = torch.autograd.grad(critic(rollout(model, noise)[-1]).mean(), model.shift)
    with torch.no_grad():
        states = rollout(model, noise)
        advantage = torch.stack([critic(states[-1]) - value(states[step], step) for step in range(3)]).squeeze(-1)
    log_prob = torch.stack([transition_log_prob(model, states[k + 1], states[k], k) for k in range(3)])
    (policy,) = torch.autograd.grad((advantage * log_prob).sum(0).mean(), model.shift)
    # Each term's standard deviation is about |advantage| / std * sqrt(3) = 3, so the mean of 200,000 is good to 0.01.
    torch.testing.assert_close(policy, pathwise, rtol=0, atol=0.03)
    assert pathwise.norm() > 0.1  # so that the comparison says something


@pytest.mark.parametrize("couple", [True, False])
@pytest.mark.parametrize("steps", [3, STEPS_AT_ONCE + 2])
def test_the_written_down_gradients_are_those_of_the_loss(steps: int, couple: bool) -> None:
    critic, value = networks(steps)
    states = torch.randn(steps + 1, 4, 2, generator=stream(0, "states"), dtype=torch.float64)
    data = torch.randn(6, 2, generator=stream(0, "data"), dtype=torch.float64)
    fake = critic(states[-1])
    target = fake if couple else fake.detach()
    error = sum((value(states[step], step) - target).square().mean() for step in range(steps))
    loss = critic(data).mean() - fake.mean() + 0.1 * error
    parameters = [*critic.parameters(), *value.parameters()]
    expected = torch.autograd.grad(loss, parameters)
    logged = backward_critic_and_value(critic, value, data, states, weight=0.1, couple=couple)
    torch.testing.assert_close([parameter.grad for parameter in parameters], list(expected))
    torch.testing.assert_close(logged["critic_gap"], (fake.mean() - critic(data).mean()).detach())
    torch.testing.assert_close(logged["value_loss"], error.detach() / steps)


def test_a_gain_of_zero_gives_a_gradient_and_no_nan() -> None:
    _, value = networks(steps=2)
    value.lin1.embed.weight.data[0, :] = 0
    states = torch.ones(2, 3, 2, dtype=torch.float64)
    value.each(states, slice(0, 2)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in value.parameters())


def test_all_steps_at_once_are_the_steps_one_by_one() -> None:
    _, value = networks(steps=4)
    states = torch.randn(4, 5, 2, generator=stream(0, "states"), dtype=torch.float64)
    one_by_one = torch.stack([value(states[step], step) for step in range(4)])
    torch.testing.assert_close(value.each(states, slice(0, 4)), one_by_one)
    mixed = value(states[:, 0], torch.arange(4))
    torch.testing.assert_close(mixed, one_by_one[:, 0])


def test_the_gradient_penalty_of_a_plane_is_its_slope_off_one() -> None:
    plane = nn.Linear(2, 1)
    plane.weight.data = torch.tensor([[3.0, 4.0]])
    points = torch.randn(5, 2, generator=stream(0, "x"))
    penalty = gradient_penalty(plane, points, points + 1, stream(0, "t"))
    assert penalty.item() == pytest.approx((5 - 1) ** 2)  # |(3, 4)| = 5, by hand


def test_the_buffer_draws_whole_transitions_evenly() -> None:
    buffer = TransitionBuffer()
    for number in range(2):
        # State k of example b of rollout r is 100 r + 10 b + k: each drawn row says where it comes from.
        states = 100 * number + 10 * torch.arange(3)[None, :] + torch.arange(5)[:, None]
        buffer.add(states[..., None].float())
    drawn = buffer.draw(24_000, stream(0, "t"))
    x, x_next, final = (column.squeeze(1).long() for column in (drawn.x, drawn.x_next, drawn.final))
    assert torch.equal(x_next, x + 1)
    assert torch.equal(drawn.step, x % 10)
    assert torch.equal(final, x - x % 10 + 4)
    counts = torch.unique(x, return_counts=True)[1]
    assert len(counts) == 2 * 3 * 4  # rollouts, examples, steps
    assert (counts - 1000).abs().max() < 5 * math.sqrt(1000)  # five standard deviations of a count


def test_the_generators_schedule_counts_its_own_updates() -> None:
    config = SFTPGConfig(n_critic=5, n_generator=3, critic_width=4, generator_optimizer={"decay": "linear"})
    method = SFTPG(config, task(steps=12))
    for index in range(12):
        method.step(real(), stream(0, "t", index), index)
    assert method.generator_optimizer.updates == method.generator_optimizer.count == 6
    assert method.critic_optimizer.updates == method.critic_optimizer.count == 12
    assert len(method.buffer.rollouts) == 2  # steps 10 and 11 wait for a phase


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sft-pg", {"regulariser": "gradient-penalty", "log_prob": "mean"}),
        ("sft-pg", {"n_critic": 3, "n_generator": 2, "generator_optimizer": {"clip": 0.1, "decay": "linear"}}),
        ("sft", {"n_critic": 3, "n_generator": 2, "generator_optimizer": {"warmup": 0.5, "decay": "cosine"}}),
    ],
)
def test_other_settings_keep_the_contract_and_resume_from_any_step(name: str, settings: dict[str, object]) -> None:
    component = registry().get(Method, name, where="test")
    bench = Bench(component, component.config.model_validate({"critic_width": 4, **settings}), task, real())
    check_method(bench)
    check_resume_is_exact(bench, stops=[4, 5, 6])


def test_sizes_of_networks_of_another_form_are_unused() -> None:
    assert ShortcutConfig(critic="image").unused == {"critic_width"}
    assert ShortcutConfig(critic="toy").unused == {"critic_features"}
    assert SFTPGConfig().unused == {"gradient_penalty"}
    assert SFTPGConfig(critic="image", value="toy", regulariser="gradient-penalty").unused == {"value_widths"}
    assert SFTPGConfig(critic="image", value="image").unused == {"critic_width", "gradient_penalty"}
