"""What the executor `slurm` reads of squeue and asks of scancel, with scripts in their place that note how they are called."""

import pytest

from harness_slurm import queues
from harness_slurm.queues import JobState, SlurmQueue, parse_states
from harness_slurm.settings import SlurmConfig


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Put a script in the place of a command; returns the file with the arguments of each call."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def command(name, *lines):
        script, calls = tmp_path / name, tmp_path / f"{name}.calls"
        script.write_text("\n".join(["#!/bin/sh", f'echo "$*" >> {calls}', *lines, ""]))
        script.chmod(0o755)
        return calls

    return command


@pytest.fixture
def queue():
    return SlurmQueue(SlurmConfig(), "harness-1")


def test_one_call_of_squeue_gives_the_states_of_all_jobs(queue, command):
    calls = command(
        "squeue", "echo '17_0|RUNNING|None|token'", "echo '17_1|PENDING|Priority|token'", "echo '16|NODE_FAIL|NodeDown|a|b'"
    )
    assert queue.states() == {
        "17_0": JobState("running", "RUNNING", "None", "token"),
        "17_1": JobState("queued", "PENDING", "Priority", "token"),
        "16": JobState("over", "NODE_FAIL", "NodeDown", "a|b"),
    }
    assert calls.read_text() == "--me -h -r -t all -n harness-1 -o %i|%T|%r|%k\n"


@pytest.mark.parametrize(("name", "phase"), [
    ("COMPLETING", "running"), ("SUSPENDED", "running"), ("REQUEUE_HOLD", "queued"), ("CONFIGURING", "queued"),
    ("COMPLETED", "over"), ("CANCELLED", "over"), ("TIMEOUT", "over"), ("PREEMPTED", "over"), ("OUT_OF_MEMORY", "over"),
])  # fmt: skip
def test_a_job_that_is_about_to_end_or_to_start_again_is_not_over(name, phase):
    assert parse_states([f"1|{name}||"])["1"].phase == phase


def test_a_squeue_that_fails_is_told_once_until_it_answers_again(queue, command, caplog):
    command("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2", "exit 1")
    assert queue.states() is None
    assert queue.states() is None
    text = "squeue gives no answer, and is asked again: slurm_load_jobs error: Unable to contact slurm controller"
    assert caplog.messages == [text]
    command("squeue")
    assert queue.states() == {}
    command("squeue", "exit 1")
    assert queue.states() is None
    assert len(caplog.messages) == 2


def test_stops_are_told_to_those_jobs_alone_and_many_jobs_take_few_calls(queue, command, monkeypatch):
    calls = command("scancel")
    monkeypatch.setattr(queues, "IDS_AT_ONCE", 2)
    queue.cancel_queued(["1_2", "1_0", "1_1"])
    queue.interrupt({"7"})
    queue.kill(["8"])
    assert calls.read_text().splitlines() == [
        "--quiet --state=PENDING 1_0 1_1", "--quiet --state=PENDING 1_2", "--quiet --signal=INT 7", "--quiet 8",
    ]  # fmt: skip
