"""Files of commands at work: there during their work, told from those of dead commands."""

import os
import subprocess
import sys

import pytest

from harness.process.host import ProcessId, here
from harness.store.commands import Command, commands, file_of, forget, is_at_work, registered, this_command
from harness.store.files import write_text
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path)


def dead_id():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return str(ProcessId(here().identity, process.pid, 1, "abcdef"))


def write(runs, **fields):
    import json
    from dataclasses import asdict

    command = Command(**{"host": "elsewhere", "pid": 1, "board": "tiny", **fields})
    write_text(file_of(command.id, runs), json.dumps(asdict(command)))
    return command


def test_a_command_is_known_while_it_works(runs):
    own = this_command("tiny", runs, ["0123456789abcdef"], {"executor": "local", "arguments": ("run", "tiny")})
    with registered(own, runs):
        assert commands(runs, "tiny") == [own]
        assert commands(runs, "another") == []
        assert is_at_work(own, runs)
        assert (own.pid, own.host, own.keys, own.executor) == (os.getpid(), here().name, ("0123456789ab",), "local")
    assert commands(runs) == []
    assert not is_at_work(own, runs)
    assert list(runs.workers.iterdir()) == []


def test_a_dead_command_is_not_at_work_and_its_id_goes_on_to_the_next(runs):
    dead = write(runs, id=dead_id(), before=("earlier",))
    (runs.workers).mkdir()
    (runs.workers / f"{dead.id}.json").touch()
    assert not is_at_work(dead, runs)
    assert forget(commands(runs), runs) == ("earlier", dead.id)
    assert commands(runs) == []


def test_a_command_of_another_host_is_at_work_until_its_worker_was_given_up(runs):
    far = write(runs, id=str(ProcessId("0" * 12, 4711, 1, "abcdef")))
    assert not is_at_work(far, runs)  # its worker has ended
    runs.workers.mkdir()
    worker = runs.workers / f"{far.id}.json"
    worker.touch()
    assert is_at_work(far, runs)
    worker.rename(worker.with_suffix(".gone"))
    assert not is_at_work(far, runs)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 3}'])
def test_a_damaged_file_is_no_command(runs, text):
    write_text(file_of(dead_id(), runs), text)
    assert commands(runs) == []
