"""A training on a card that was killed goes on to the same weights, bit for bit; so does a whole board that was run twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "killed_training.py"
KILLED = -9


def train(method, folder, device, *, dies_at=-1):
    """Train in a process of its own. Returns: exit code, and the hash of the weights."""
    command = [sys.executable, str(SCRIPT), method, str(folder), str(device), str(dies_at)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode in (0, KILLED), ended.stderr
    return ended.returncode, ended.stdout.strip()


@pytest.mark.parametrize(("method", "dies_at"), [("ddo", 3), ("ddo", 8), ("sft-pg", 3), ("sft-pg", 8)])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, device, method, dies_at):
    assert train(method, tmp_path / "killed", device, dies_at=dies_at)[0] == KILLED
    _, expected = train(method, tmp_path / "whole", device)
    code, found = train(method, tmp_path / "killed", device)
    assert (code, found) == (0, expected)
    assert len(found) == 64


def test_a_whole_board_runs_on_the_device_and_its_records_say_on_which(tmp_path, device):
    board = ROOT / "leaderboards/digits"
    options = ["--smoke", "--only", "method=none,mle,ddo*", "--device", device.type, "--runs-dir", str(tmp_path)]
    ended = subprocess.run(
        [sys.executable, "-m", "harness", "run", str(board), *options], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("records/**/*__s10.*.json")]
    assert records
    for record in records:
        assert record["status"] == "done"
        environment = record["environment"]
        assert (environment["device"] == "cpu") == (device.type == "cpu")
        if device.type == "cuda":
            assert (environment["tf32"], environment["deterministic"]) == ("off", "on")
