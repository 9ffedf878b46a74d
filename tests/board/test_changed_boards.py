"""A board that is changed in one place has its faults as lines, or it is a valid board. Nothing ends in another exception."""

import json
import os
import random
import re
import signal
from pathlib import Path

import pytest
from board_fixtures import BOARD, DATA_BOARD
from changed_boards import changed_board

from harness.board.reading.load import load_board
from harness.errors import UserError

LEADERBOARDS = Path(__file__).parents[2] / "leaderboards"
SECONDS = 30


def check(folder, plugins, kind, text):
    """Load a changed board; return its faults."""
    path = folder / "board.yaml"
    path.write_text(text, encoding="utf-8")
    signal.alarm(SECONDS)
    try:
        board = load_board(folder, plugins=plugins)
    except UserError as error:
        lines = str(error).splitlines()
        assert lines
        for line in lines:
            assert re.match(rf"{re.escape(str(path))}:(\d+:)? \S", line), line
            assert "Traceback" not in line
        return lines
    finally:
        signal.alarm(0)
    assert kind != "repeated"
    assert board.cells
    # Every key can be computed, and stands for values that JSON has.
    keys = [*(cell.key for cell in board.cells), *(floor.key for floor in board.floors)]
    assert all(re.fullmatch("[0-9a-f]{24}", key) for key in keys)
    json.dumps(board.config.model_dump(mode="json"), allow_nan=False)
    return []


def check_many(folder, plugins, text, seed, count):
    """Check changed boards; return the share of them with faults."""
    faulty = 0
    for number in range(count):
        kind, changed = changed_board(random.Random(f"{seed}/{number}"), text)
        try:
            faulty += bool(check(folder, plugins, kind, changed))
        except BaseException as error:
            error.add_note(f"seed {seed}, board {number}, {kind}:\n{changed}")
            raise
    return faulty / count


@pytest.mark.parametrize("text", [BOARD, DATA_BOARD], ids=["networks", "data"])
def test_a_changed_board_of_fakes_has_lines_or_is_valid(write_board, fake_plugins, text):
    assert check_many(write_board(text), fake_plugins, text, seed=0, count=60) > 0.5


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(path.parent.name for path in LEADERBOARDS.glob("*/board.yaml")))
def test_a_changed_board_of_the_real_ones_has_lines_or_is_valid(tmp_path, name):
    text = (LEADERBOARDS / name / "board.yaml").read_text(encoding="utf-8")
    assert check_many(tmp_path, None, text, seed=int(os.environ.get("HOSTILE_SEED", "0")), count=100) > 0.5


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_changed_boards_of_fakes_have_lines_or_are_valid(write_board, fake_plugins):
    assert check_many(write_board(), fake_plugins, BOARD, seed=1, count=1000) > 0.5
