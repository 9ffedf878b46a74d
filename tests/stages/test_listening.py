"""A listener that fails is shown once in a run, in whichever of its processes it fails."""

import logging
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from harness import hookimpl
from harness.plugins import Registry
from harness.stages import listening
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def new_process(monkeypatch):
    """Give the plugins a registry as a new process makes it, with a plugin that cannot hear."""
    module = ModuleType("fake_deaf")

    @hookimpl
    def harness_cell_finished(cell, runs):
        raise OSError(f"no socket for {cell} of {runs.name}")

    vars(module)["harness_cell_finished"] = harness_cell_finished
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def begin():
        found = Registry([EntryPoint("deaf", module.__name__, "harness")])
        monkeypatch.setattr(listening, "registry", lambda: found)

    return begin


def test_a_failure_is_shown_once_for_all_processes_of_a_run_and_again_in_the_next(new_process, tmp_path, caplog):
    runs = RunsFolder(tmp_path / "runs")
    for _ in range(3):
        new_process()
        for cell in ("a", "b"):
            listening.tell(runs, "harness_cell_finished", cell=cell, record=None)
    (shown,) = caplog.records
    assert "plugin deaf: harness_cell_finished failed" in shown.getMessage()
    assert "no socket for a of runs" in caplog.text
    listening.begin(runs)
    new_process()
    listening.tell(runs, "harness_cell_finished", cell="a", record=None)
    assert len(caplog.records) == 2


def test_a_folder_that_takes_no_mark_hides_no_failure(new_process, tmp_path, caplog):
    (tmp_path / "runs").write_text("a file in the place of a folder")
    new_process()
    with caplog.at_level(logging.ERROR):
        listening.tell(RunsFolder(tmp_path / "runs"), "harness_cell_finished", cell="a", record=None)
    assert len(caplog.records) == 1
