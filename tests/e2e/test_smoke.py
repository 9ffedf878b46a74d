"""Every board of the repository passes `--smoke`."""

import resource
from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.errors import UserError

BOARDS = sorted((Path(__file__).parents[2] / "leaderboards").glob("*/board.yaml"))


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def absent_files(board):
    """What the board's dataset says when this machine lacks its files, else nothing."""
    dataset = load_board(board).dataset
    try:
        dataset.component.check_readiness(dataset.settings)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.parent.name)
def test_a_board_passes_in_seconds_and_leaves_real_records_alone(command, board):
    command.board = board.parent
    real = {path: path.stat().st_mtime_ns for path in board.parent.rglob("*")}
    began = processor_seconds()
    ended = command.run("--smoke")
    if absent := absent_files(board):
        assert (ended.returncode, absent in ended.stderr) == (2, True)
        pytest.skip(absent)
    assert ended.returncode == 0, ended.stderr
    assert processor_seconds() - began < 90  # two processes side by side, and a slow machine
    assert {path.name for path in command.runs.iterdir()} == {"smoke"}
    assert list(command.runs.glob("smoke/records/*/*.json"))
    assert {path: path.stat().st_mtime_ns for path in board.parent.rglob("*")} == real
