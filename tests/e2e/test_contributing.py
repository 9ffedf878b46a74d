"""CONTRIBUTING.md's example, taken from the page as it is: installs, conforms, is listed, runs, and is in the table."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ("pyproject.toml", "harness_l2sp/__init__.py", "harness_l2sp/method.py", "tests/test_l2sp.py")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The example's files, and where they are installed."""
    folder = tmp_path_factory.mktemp("l2sp")
    blocks = re.findall(r"```(?:toml|python)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    for name, text in zip(FILES, blocks, strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder / "site"), str(folder)], check=True)
    return folder


def call(package, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(package / "site"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], env=environment, cwd=package, capture_output=True, text=True, check=False)


def test_its_own_test_passes(package):
    ended = call(package, "-m", "pytest", "-q", "tests")
    assert ended.returncode == 0, ended.stdout


def test_it_is_listed(package):
    assert "l2-sp" in call(package, "-m", "harness", "list", "methods").stdout


def test_it_runs_on_the_quickstart_board_and_is_in_the_table(package):
    board = package / "quickstart"
    shutil.copytree(ROOT / "leaderboards" / "quickstart", board)
    (entry,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    text = (board / "board.yaml").read_text()
    (board / "board.yaml").write_text(text.replace("\nmethods:\n", f"\nmethods:\n{entry}", 1))
    ended = call(package, "-m", "harness", "run", str(board), "--smoke", "--only", "method=none,l2-sp")
    assert ended.returncode == 0, ended.stderr
    (row,) = (line for line in ended.stdout.splitlines() if "l2-sp" in line)
    assert re.search(r"\d\.\d+", row)
