"""What a run that was started with --detach tells the command that waits for its begin."""

import os
from pathlib import Path

import pytest

from harness.cli.arguments import of_same_place
from harness.cli.detached import Parent, on_follow
from harness.store.commands import log_of, this_command
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def waiting(tmp_path):
    """Returns: (the runs folder, what the process has of the command that waits, a function that reads what that one is told)."""
    runs = RunsFolder(tmp_path)
    runs.commands.mkdir(parents=True)
    (runs.commands / ".log").write_text("so far")
    source, target = os.pipe()
    yield runs, Parent(target, runs.commands / ".log"), lambda: os.read(source, 4096).decode()
    os.close(source)


def test_a_run_that_begins_says_so_once_and_its_log_gets_its_name(waiting):
    runs, parent, read = waiting
    own = this_command("tiny", runs, [], {})
    parent.tell(own, runs)
    parent.tell(own, runs)
    assert read() == f"{own.where} goes on by itself\n{log_of(own.id, runs)}"
    assert read() == ""
    assert log_of(own.id, runs).read_text() == "so far"


def test_a_run_that_follows_another_one_says_so_at_once(waiting):
    runs, parent, read = waiting
    own = this_command("tiny", runs, [], {})
    on_follow(parent, runs)(own)
    on_follow(None, runs)(own)  # a run with a terminal
    assert read() == f"{own.where} works on these cells already; {own.where} follows it by itself\n{log_of(own.id, runs)}"
    parent.tell(own, runs)  # it takes over later


@pytest.mark.parametrize(("runs_dir", "smoke", "line"), [
    (None, False, "boards/tiny"), (None, True, "boards/tiny --smoke"),
    (Path("my runs"), False, "boards/tiny --runs-dir 'my runs'"),
])  # fmt: skip
def test_the_commands_in_a_message_name_the_same_runs_folder(runs_dir, smoke, line):
    assert of_same_place(Path("boards/tiny"), runs_dir, smoke=smoke) == line
