"""The script that runs everything on a card stands ready: what can be tried without a card is tried here."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu  # noqa: E402 - of benchmarks
import gpu_pieces  # noqa: E402


def run_script(*arguments, script="gpu.sh"):
    command = ["sh", str(ROOT / "benchmarks" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fast"], "what is --fast?"),
        (["--only", "all-of-it"], "--only takes tests or speed, not all-of-it"),
        (["--out"], "--out needs a folder"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_done(arguments, said):
    ended = run_script(*arguments)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(("script", "what"), [("gpu_wheels.sh", "wheels go"), ("gpu_bundle.sh", "bundle goes")])
def test_the_scripts_of_wheels_and_bundle_ask_where_they_go(script, what):
    ended = run_script(script=script)
    assert ended.returncode != 0
    assert f"say where the {what}" in ended.stderr


def test_a_bundle_of_a_commit_unpacks_to_a_clean_checkout_of_it(tmp_path):
    clone, images = tmp_path / "clone", tmp_path / "images"
    cloning = ["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", str(clone)]
    if subprocess.run(cloning, check=False, capture_output=True).returncode:
        pytest.skip("the checkout is no repository of git")
    images.mkdir()
    (images / "train-images-idx3-ubyte.gz").write_bytes(b"images")
    environment = {**os.environ, "FASHION_MNIST": str(images), "WHEELS": "no"}
    command = ["sh", str(clone / "benchmarks/gpu_bundle.sh"), str(tmp_path / "bundle")]
    subprocess.run(command, check=True, env=environment)
    subprocess.run(["sh", str(tmp_path / "bundle/unpack.sh"), str(tmp_path / "there")], check=True)

    def git(folder, *arguments):
        return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout

    assert git(tmp_path / "there", "rev-parse", "HEAD") == git(clone, "rev-parse", "HEAD")
    assert git(tmp_path / "there", "status", "--porcelain") == ""
    assert (tmp_path / "there/leaderboards/fashion-gpu/board.yaml").exists()
    assert not (tmp_path / "there/tests/golden").exists()
    assert (tmp_path / "bundle/data/fashion-mnist/train-images-idx3-ubyte.gz").read_bytes() == b"images"
    (clone / "README.md").write_text("changed")
    refused = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "commit first" in refused.stderr


def test_the_table_has_the_share_of_the_bare_loop_and_keeps_what_failed():
    found: list[gpu.Result] = [
        {"subject": "edm", "piece": "mle fp32", "images_per_second": 300.0, "seconds_a_call": 1.7, "peak_memory_gib": 40.0},
        {"subject": "edm", "piece": "bare fp32", "images_per_second": 320.0, "seconds_a_call": 1.6, "peak_memory_gib": 39.0},
        {"subject": "edm", "piece": "ddo fp32", "error": "UserError: out of memory"},
    ]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in gpu.table(found).splitlines()]
    assert lines[2] == ["edm", "mle fp32", "300.0", "0.94", "145", "1.700", "40.00", "–"]
    assert lines[3][:5] == ["edm", "bare fp32", "320.0", "–", "–"]
    assert lines[4][:3] == ["edm", "ddo fp32", "UserError: out of memory"]


def test_a_group_that_takes_too_long_is_stopped_and_keeps_what_it_had(tmp_path, monkeypatch):
    writes = "open(sys.argv[sys.argv.index('--out') + 1], 'w').write('{}\\n')"
    (tmp_path / "gpu_pieces.py").write_text(f"import sys, time; {writes}; time.sleep(600)")
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    options = argparse.Namespace(device="cpu", seconds=0.01, out=tmp_path, tiny=True)
    assert gpu.run_group("edm", options, 15.0) == "stopped after its 15 s; what it had measured is kept"
    assert gpu.results(tmp_path / "gpu.jsonl") == [{}]


def test_every_group_has_a_limit_and_all_end_within_the_minutes():
    assert set(gpu.LIMITS) >= {*gpu_pieces.SUBJECTS, "inception"}
    assert sum(gpu.LIMITS.values()) <= 330  # the last one gets what is left of five minutes


@pytest.mark.long
def test_all_pieces_of_a_network_are_measured_in_the_rehearsal(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), "--device", "cpu", "--tiny", "--seconds", "0.01", "--only", "var"]
    ended = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    assert [each["piece"] for each in found if "error" in each] == []
    assert len(found) == 11
    assert "a rehearsal on tiny networks" in (tmp_path / "gpu.md").read_text()
