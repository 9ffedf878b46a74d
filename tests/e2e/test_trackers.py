"""Trackers in real workers: a killed run goes on, and each step of each training is logged once, in its order."""

import json

import pytest

from harness.plugins import registry

pytestmark = pytest.mark.skipif(
    "jsonl" not in registry().names("tracker"), reason="the installed entry points are older than this tracker: pip install -e ."
)
TRACK = ("--track", "jsonl", "--log-every", "20", "--checkpoint-seconds", "0.1", "--only", "method=mle", "--seeds", "0")


def steps(path):
    """The steps of the losses in a file of `jsonl`."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["step"] for line in lines if "loss" in line.get("values", {})]


def test_a_killed_run_goes_on_in_its_files_and_no_step_comes_twice(command, kill, wait):
    process = command.start(*TRACK)
    reached = wait(lambda: list(command.runs.glob("work/base-*/step-*/manifest.json")), process)
    kill(process)
    assert reached
    ended = command.run(*TRACK)
    assert ended.returncode == 0, ended.stderr
    folder = command.runs / "trackers" / "jsonl" / "tiny"
    assert steps(folder / "small.jsonl") == list(range(20, 401, 20))
    assert steps(folder / "small__mle__s0.jsonl") == list(range(20, 101, 20))
    final = json.loads((folder / "small__mle__s0.jsonl").read_text().splitlines()[-1])["final"]
    record = command.record("small/mle/s0")
    assert final["metrics"].keys() == record["metrics"].keys()
    assert final["facts"]["key"] == record["key"]
