import json

import pytest

from harness.errors import UserError
from harness.run.searching.trials import CellCost, Trial, TrialFile


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


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text[:60], "not a whole file of trials"),
        (
            lambda text: text.replace("0.5", "0.05"),
            "its checksum does not match what the file holds, which was edited or damaged",
        ),
        (lambda _: json.dumps({"schema_version": 1, "trials": []}), "not a whole file of trials"),
    ],
)
def test_a_changed_file_is_refused_and_says_what_to_do(tmp_path, change, fault):
    file = TrialFile(tmp_path / "study.json")
    file.add([Trial(number=0, point={"a": 1.0}, end="done", values=[0.5])])
    file.path.write_text(change(file.path.read_text()))
    with pytest.raises(UserError) as refused:
        TrialFile(file.path)
    assert str(refused.value).startswith(f"{file.path}: {fault}; delete the file: the search then begins anew")


def test_the_trials_of_another_study_are_refused(tmp_path):
    file = TrialFile(tmp_path / "first.json")
    file.add([Trial(number=0, point={"a": 1.0})])
    file.path.rename(tmp_path / "second.json")
    with pytest.raises(UserError, match="it is of another study, first; delete the file"):
        TrialFile(tmp_path / "second.json")
