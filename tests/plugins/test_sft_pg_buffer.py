"""The buffer of rollouts: whole transitions, evenly drawn, and what a checkpoint holds."""

import pytest
import torch

from harness.streams import stream
from harness_sft_pg.buffer import TransitionBuffer


def rollout(number, steps=2, examples=3):
    """States that say where they are from: 100 rollout + 10 example + step."""
    return (100 * number + 10 * torch.arange(examples)[None, :] + torch.arange(steps + 1)[:, None]).float()[..., None]


def filled(rollouts=2):
    buffer = TransitionBuffer()
    for number in range(rollouts):
        buffer.add(rollout(number))
    return buffer


def test_every_transition_comes_and_the_last_state_starts_none():
    drawn = filled().draw(500, stream(0, "draw"))
    starts = {100 * number + 10 * example + step for number in range(2) for example in range(3) for step in range(2)}
    assert set(drawn.x.flatten().tolist()) == starts


def test_the_parts_of_a_transition_belong_together():
    drawn = filled().draw(100, stream(0, "draw"))
    torch.testing.assert_close(drawn.x_next, drawn.x + 1)
    torch.testing.assert_close(drawn.final, drawn.x - drawn.step[:, None] + 2)
    assert set(drawn.step.tolist()) == {0, 1}


@pytest.mark.parametrize("n", [1, 3, 200])
def test_a_draw_is_that_of_one_tensor_of_all_rollouts_bit_for_bit(n):
    """Published results were drawn that way; of few transitions, some rollouts give none."""
    rollouts, generator = [torch.randn(8, 5, 2, generator=stream(number, "states")) for number in range(4)], stream(1, "draw")
    buffer = TransitionBuffer()
    for states in rollouts:
        buffer.add(states)
    drawn, states = buffer.draw(n, stream(1, "draw")), torch.stack(rollouts)
    flat = torch.randint(4 * 7 * 5, (n,), generator=generator)
    example, step, rollout = flat % 5, flat // 5 % 7, flat // 35
    expected = states[rollout, step, example], states[rollout, step + 1, example], step, states[rollout, 7, example]
    assert [torch.equal(*parts) for parts in zip(drawn, expected, strict=True)] == [True] * 4


def test_a_draw_takes_memory_for_what_is_drawn_alone():
    """The rollouts repeat one number, so that they need no memory; a copy of them would need 8 PB."""
    buffer = TransitionBuffer()
    for number in range(2):
        buffer.add(torch.full((1, 1, 1), float(number)).expand(1001, 10**12, 1))
    drawn = buffer.draw(20, stream(0, "draw"))
    assert set(drawn.x.flatten().tolist()) == {0, 1}
    assert torch.equal(drawn.x, drawn.final)


def test_rollouts_of_a_checkpoint_which_are_on_the_cpu_follow_new_ones_to_their_device():
    buffer = filled()
    buffer.add(rollout(2).to("meta"))  # in the place of a card
    assert {drawn.device.type for drawn in buffer.draw(4, stream(0, "draw"))[:2]} == {"meta"}


def test_a_draw_is_a_function_of_the_generator():
    buffer = filled()
    first, again, other = (buffer.draw(20, stream(seed, "draw")).x for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_cleared_buffer_draws_from_what_comes_after():
    buffer = filled()
    buffer.clear()
    buffer.add(rollout(7))
    assert (buffer.draw(50, stream(0, "draw")).x >= 700).all()


def test_the_state_restores_the_rollouts_and_is_no_view_of_the_list():
    buffer, other = filled(), TransitionBuffer()
    state = buffer.state_dict()
    buffer.clear()
    other.load_state_dict(state)
    assert [torch.equal(held, rollout(number)) for number, held in enumerate(other.rollouts)] == [True, True]
    other.add(rollout(2))
    assert len(state["rollouts"]) == 2
