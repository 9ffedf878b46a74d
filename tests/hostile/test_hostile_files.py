"""Hostile files over every reader of the product: each is read or refused in one message, and nothing else happens."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import hostile_readers
import pytest

from harness.errors import UserError

SCRIPT = Path(__file__).with_name("read_hostile_files.py")
CASES = 80
"""Files of each reader in the long run; with 31 readers more than 2,400."""
FIRST = 10
"""The number of the first file that is no bomb, for every reader."""
SECONDS = 30


@pytest.fixture
def alarm():
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("name", hostile_readers.READERS)
def test_the_honest_files_are_read(tmp_path, name):
    """Otherwise every change would be refused for another reason than the change."""
    reader = hostile_readers.READERS[name]
    for number, content in enumerate(reader.honest):
        reader.read(hostile_readers.written(content, tmp_path / str(number), reader.suffix))


@pytest.mark.filterwarnings("ignore")  # libraries warn of what damage they met
@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", hostile_readers.READERS)
def test_a_few_hostile_files_are_read_or_refused(tmp_path, name):
    reader = hostile_readers.READERS[name]
    for number in range(FIRST, FIRST + 4):
        path = hostile_readers.written(hostile_readers.case(name, 0, number), tmp_path / str(number), reader.suffix)
        try:
            reader.read(path)
        except UserError as error:
            assert str(error).strip()  # noqa: PT017 - both ends are good ones


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.skipif(sys.platform != "linux", reason="the limits of memory are Linux's")
@pytest.mark.parametrize("name", hostile_readers.READERS)
def test_hostile_files_take_little_memory_and_time_and_run_nothing(name):
    """Each reader in a process of its own, so that one crash of the interpreter hides no other reader."""
    command = [
        sys.executable,
        str(SCRIPT),
        "--cases",
        str(CASES),
        "--seed",
        os.environ.get("HOSTILE_SEED", "0"),
        "--reader",
        f"{re.escape(name)}$",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    tallies = [tally for tally in map(json.loads, run.stdout.splitlines()) if tally["reader"] == name]
    assert [tally["files"] for tally in tallies] == [CASES]
    assert tallies[0]["crashes"] == []
