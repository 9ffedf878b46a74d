"""Every notebook of the documentation: its code cells run in their order, as in a new kernel; committed cells hold no outputs."""

import json
import time
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LIMIT = 30.0
"""Seconds that a notebook may take."""


def code_cells(notebook):
    return ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


def run(notebook):
    """Run the code cells of a notebook in one namespace; each is compiled under the notebook's name and its own number."""
    namespace = {"__name__": "__main__"}
    for number, source in enumerate(code_cells(notebook), 1):
        exec(compile(source, f"{notebook.name}, code cell {number}", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_run_in_their_order(notebook, monkeypatch):
    mpl.use("agg")
    monkeypatch.chdir(notebook.parent)  # where a kernel starts
    started = time.monotonic()
    run(notebook)
    assert time.monotonic() - started < LIMIT


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_holds_no_outputs(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    assert [cell.get("outputs") for cell in cells if cell["cell_type"] == "code" and cell.get("outputs")] == []


def test_an_error_in_a_cell_says_which_cell(tmp_path):
    cells = [{"cell_type": "code", "source": ["x = 1\n"]}, {"cell_type": "code", "source": ["y = x / 0\n"]}]
    (tmp_path / "wrong.ipynb").write_text(json.dumps({"cells": cells}))
    with pytest.raises(ZeroDivisionError) as error:
        run(tmp_path / "wrong.ipynb")
    assert Path(error.traceback[-1].path).name == "wrong.ipynb, code cell 2"
