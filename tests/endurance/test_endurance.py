"""A small sample of the endurance test, and its counts. The whole of it is `python tests/endurance` (see its help)."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import endurance_counts
import endurance_engines

KILLS = 12
COMMAND = "python tests/endurance --seed 0 --kills 5 --out RESULT.md"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", [name for name in endurance_engines.available() if name != "slurm"])
def test_disturbed_runs_end_with_the_records_of_an_undisturbed_one(engine, tmp_path):
    line = [sys.executable, str(Path(__file__).parent), "--seed", "1", "--kills", str(KILLS), "--engines", engine]
    ended = subprocess.run([*line, "--out", str(tmp_path / "result.md")], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(rf"^{KILLS} kills in [0-9]+ rounds", ended.stdout, re.MULTILINE)


def test_counts_go_on_where_the_file_stops(tmp_path):
    path = tmp_path / "RESULT.md"
    counts = endurance_counts.Counts.read(path, COMMAND, 5)
    counts.add(Counter({("local", "command", "SIGKILL"): 2, ("ray", "node", "SIGKILL"): 1}), 3.0)
    again = endurance_counts.Counts.read(path, COMMAND, 5)
    assert (again.kills, again.rounds, again.seconds, again.done) == (3, 1, 3.0, counts.done)
    again.add(Counter({("local", "disk", "no room"): 2}), 4.0)
    text = path.read_text()
    assert "5 of 5 kills, 2 rounds, 7 seconds" in text
    assert "| local | command | SIGKILL | 2 |" in text
    assert [file.name for file in tmp_path.iterdir()] == ["RESULT.md"]


def test_counts_of_another_seed_are_not_added_to(tmp_path):
    path = tmp_path / "RESULT.md"
    endurance_counts.Counts.read(path, COMMAND, 5).add(Counter(), 1.0)
    with pytest.raises(ValueError, match="written by another command"):
        endurance_counts.Counts.read(path, COMMAND.replace("--seed 0", "--seed 1"), 5)
