import json

import pytest

from harness.errors import EndsTheRun
from harness.run.searching.trials import CellCost, Trial, TrialFile
from harness.store.seal import sealed


def test_trials_are_kept(tmp_path):
    file = TrialFile(tmp_path / "a" / "trials.json")
    file.add([Trial(number=0, point={"a": 0.1, "b": True, "c": "word", "d": 3}), Trial(number=1, point={"a": 1.0})])
    done = file.trials[0].model_copy(
        update={"end": "done", "values": [0.1 + 0.2], "cells": {"key": CellCost(images=1, network_evaluations=2, seconds=3.5)}}
    )
    file.replace([done])
    again = TrialFile(file.path)
    assert again.trials == file.trials
    assert [type(value) for value in again.trials[0].point.values()] == [float, bool, str, int]
    assert [trial.number for trial in again.waiting] == [1]


def written(tmp_path):
    file = TrialFile(tmp_path / "trials.json")
    file.add([Trial(number=0, point={"a": 0.1}, end="done", values=[0.5])])
    return file.path


def set_aside_files(path):
    return [file.name.rpartition("-")[0] for file in path.parent.iterdir() if file != path]


def begins_anew(path, caplog, expected, name):
    """Assert that the file has no trials, that a warning says why, and that it is renamed once trials are written."""
    before = path.read_bytes()
    file = TrialFile(path)
    assert file.trials == []
    (line,) = caplog.messages
    assert line.startswith(f"{path} {expected}: its trials count for nothing")
    assert path.read_bytes() == before
    assert set_aside_files(path) == []
    file.add([Trial(number=0, point={"a": 0.2})])
    file.replace([Trial(number=0, point={"a": 0.2}, end="done", values=[1.0])])
    assert set_aside_files(path) == [f"trials.json.{name}"]
    assert [trial.values for trial in TrialFile(path).trials] == [[1.0]]


@pytest.mark.parametrize("change", [("0.5", "0.4"), ('"done"', '"stopped"'), ('"sha256"', '"sha"')])
def test_a_changed_file_is_noticed(tmp_path, caplog, change):
    path = written(tmp_path)
    path.write_text(path.read_text().replace(*change))
    fault = "not a whole file of trials"
    if change[0] != '"sha256"':
        fault = "its checksum does not match what the file holds, which was edited or damaged"
    begins_anew(path, caplog, f"is damaged ({fault})", "damaged")


def test_a_file_that_was_cut_off_is_noticed(tmp_path, caplog):
    path = written(tmp_path)
    path.write_text(path.read_text()[:-20])
    begins_anew(path, caplog, "is damaged (not a whole file of trials)", "damaged")


def test_a_copy_of_another_study_is_noticed(tmp_path, caplog):
    other, path = tmp_path / "other" / "rates__net.0123.json", tmp_path / "mine" / "trials.json"
    path.parent.mkdir()
    TrialFile(other).add([Trial(number=0, point={"a": 0.1}, end="done", values=[0.5])])
    path.write_bytes(other.read_bytes())
    begins_anew(path, caplog, "is damaged (it holds the trials of rates__net.0123)", "damaged")


def test_a_sealed_file_without_the_name_of_its_study_counts(tmp_path):
    trial = Trial(number=0, point={"a": 0.1}, end="done", values=[0.5])
    path = tmp_path / "trials.json"
    path.write_text(sealed({"schema_version": 2, "trials": [trial.model_dump(mode="json")]}))
    assert TrialFile(path).trials == [trial]


def test_a_file_of_an_older_version_has_no_checksum_and_counts_for_nothing(tmp_path, caplog):
    path = tmp_path / "trials.json"
    trial = Trial(number=0, point={"a": 0.1}, end="done", values=[0.5]).model_dump(mode="json")
    path.write_text(json.dumps({"schema_version": 1, "trials": [trial]}, indent=1) + "\n")
    begins_anew(path, caplog, "has no checksum (an older version wrote it)", "replaced")


def test_a_file_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "trials.json"
    path.write_text(sealed({"schema_version": 3, "trials": []}))
    with pytest.raises(EndsTheRun, match=r"trials.json: written by a newer harness \(schema 3, known: 2\); upgrade"):
        TrialFile(path)
