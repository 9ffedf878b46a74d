"""The examples of `compare`, `rank` and `target` in the README and on their page answer from the committed boards."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "compare.md"]
COMMANDS = ("harness compare ", "harness rank ", "harness target ")


def examples():
    lines = (line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines())
    return sorted({line.split("  #")[0].strip() for line in lines if line.startswith(COMMANDS)})


def test_each_command_has_an_example():
    assert {command for command in COMMANDS for example in examples() if example.startswith(command)} == set(COMMANDS)


@pytest.mark.parametrize("example", examples())
def test_an_example_answers(example, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "leaderboards").symlink_to(ROOT / "leaderboards")
    arguments = shlex.split(example)[1:]
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
