"""The buffer of rollouts: whole transitions, evenly drawn, and what a checkpoint holds."""

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
