"""Every notebook of the documentation: its code cells run in their order, as in a new kernel; committed cells hold no outputs."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "docs" / "run_notebook.py"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LIMIT = 60.0
"""Seconds of one core that a notebook may take, with the processes that it starts."""


def run(notebook, folder, monkeypatch):
    """Run a notebook in a process of its own, which starts where a kernel does, and keeps its scratch files in a folder."""
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("MPLBACKEND", "agg")
    return subprocess.run(
        [sys.executable, str(RUNNER), str(notebook)], cwd=notebook.parent, capture_output=True, text=True, check=False
    )


def seconds_of_children():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_run_in_their_order(notebook, tmp_path, monkeypatch):
    before = seconds_of_children()
    ended = run(notebook, tmp_path, monkeypatch)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert seconds_of_children() - before < LIMIT


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_holds_no_outputs(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    assert [cell.get("outputs") for cell in cells if cell["cell_type"] == "code" and cell.get("outputs")] == []


def test_an_error_in_a_cell_says_which_cell(tmp_path, monkeypatch):
    cells = [{"cell_type": "code", "source": ["x = 1\n"]}, {"cell_type": "code", "source": ["y = x / 0\n"]}]
    (tmp_path / "wrong.ipynb").write_text(json.dumps({"cells": cells}))
    ended = run(tmp_path / "wrong.ipynb", tmp_path, monkeypatch)
    assert ended.returncode == 1
    assert 'File "wrong.ipynb, code cell 2", line 1' in ended.stderr
    assert "ZeroDivisionError" in ended.stderr
