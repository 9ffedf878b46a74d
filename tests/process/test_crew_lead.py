"""The lead of a crew and its members, with real processes."""

from __future__ import annotations

import os
import signal

import crew_work
import psutil
import pytest
import torch

from harness.errors import UserError
from harness.process.crew import ALONE, ProcessLost
from harness.process.crew_lead import Lead, crew_of


@pytest.fixture(scope="module")
def lead():
    """A crew of two. Tests that break it make their own."""
    crew = Lead(2, "cpu")
    yield crew
    crew.close()


def test_one_device_is_used_without_any_process():
    assert crew_of(1, "cpu") is ALONE
    assert list(ALONE.each([1, 2, 3], lambda piece: piece + 1)) == [2, 3, 4]
    assert ALONE.agree(lambda: 5) == 5
    assert ALONE.group is None


def test_nothing_is_started_before_work_is_shared_out():
    before = psutil.Process().children()
    crew_of(2, "cpu").close()
    assert psutil.Process().children() == before


def test_pieces_are_shared_out_in_turn_and_their_results_come_in_order(lead):
    with lead.employ(crew_work.squares, 10):
        found = list(lead.each(range(5), lambda piece: (0, piece**2 + 10)))
    assert found == [(0, 10), (1, 11), (0, 14), (1, 19), (0, 26)]


def test_tensors_pass_and_members_have_one_thread(lead):
    with lead.employ(crew_work.places):
        (_, (tensor, threads, pid)) = lead.each([torch.ones(3), torch.ones(3)], str)
    assert torch.equal(tensor, torch.full((3,), 2.0))
    assert (threads, pid != os.getpid()) == (1, True)


def test_a_training_is_followed_and_served_in_the_middle(lead):
    lead.follow(crew_work.follow, 10)
    assert lead.agree(lambda: 7) == 7
    lead.is_together = True
    mean = torch.full((2,), 7.0)
    lead.group.mean_(mean)
    assert mean.tolist() == [12.0, 12.0]  # of 7 and 17
    assert list(lead.each([1.0, 2.0, 3.0], lambda piece: piece)) == [1.0, 14.0, 3.0]
    lead.release("on")
    lead.is_together = False
    with lead.employ(crew_work.squares, 0):  # the member is back
        assert list(lead.each([1, 2], lambda piece: piece)) == [1, (1, 4)]


def test_rows_of_every_type_are_gathered(lead):
    lead.follow(crew_work.gather)
    for part in (torch.tensor([True, False]), torch.arange(2), torch.ones(2, 3).T[:2]):
        first, second = lead.group.gather(part)
        assert torch.equal(first, part)
        assert (second.dtype, second.shape) == (part.dtype, part.shape)


def ask_one_that_fails(crew):
    with crew.watched(), crew.employ(crew_work.failing):
        list(crew.each([1, 2], lambda piece: piece))


def test_what_a_member_raises_is_told_and_all_processes_end():
    before, crew = psutil.Process().children(), Lead(2, "cpu")
    with pytest.raises(RuntimeError, match=r"(?s)process 1 of the job raised:.*ValueError: piece 2 is bad"):
        ask_one_that_fails(crew)
    crew.close()
    assert psutil.Process().children() == before


def wait_for_one_that_is_killed(crew):
    with crew.watched():
        crew.agree(lambda: 0)
        (member,) = crew._members
        os.kill(member.process.pid, signal.SIGKILL)
        crew.group.mean_(torch.ones(2))


def test_a_member_that_is_killed_is_told():
    crew = Lead(2, "cpu")
    with pytest.raises(ProcessLost, match=r"process 2 of 2 of the job was killed by SIGKILL \(out of memory\?\)"):
        wait_for_one_that_is_killed(crew)
    crew.close()


def test_a_fault_of_the_user_stays_what_it_is(lead):
    with pytest.raises(UserError, match="mine"), lead.watched():
        raise UserError("mine")
