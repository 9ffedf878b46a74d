"""Candidates of a round that diverged, by themselves; tests/laws trains with them."""

from harness.training.lost_candidates import LostCandidates
from harness.training.rounds import RoundSchedule

ROUNDS = RoundSchedule(steps=8, rounds=2, candidates=3)


def test_the_last_candidate_of_a_round_cannot_lose():
    lost = LostCandidates(ROUNDS)
    first, second, third, next_round = ROUNDS.all[:4]
    assert lost.can_lose(first)
    lost.add(first, first.starts_after + 1)
    assert lost.has(first)
    assert lost.can_lose(third)
    lost.add(third, third.starts_after + 4)
    assert not lost.can_lose(second)
    assert lost.can_lose(next_round)
    assert lost.steps_left_out == 3  # each has 4 steps


def test_a_checkpoint_holds_them():
    lost, again = LostCandidates(ROUNDS), LostCandidates(ROUNDS)
    lost.add(ROUNDS.all[4], ROUNDS.all[4].starts_after + 3)
    assert lost.state() == {"1/1": 1}
    again.restore(lost.state())
    assert again.state() == lost.state()
    assert again.has(ROUNDS.all[4])
