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


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / "trials.json").write_text('{"trials": [{"number": 0}')
    with pytest.raises(UserError, match="damaged; delete the file"):
        TrialFile(tmp_path / "trials.json")
