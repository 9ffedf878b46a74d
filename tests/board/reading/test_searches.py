import pytest
from search_boards import SEARCH, SEARCH_BOARD, plugins

from harness.board.reading.load import load_board
from harness.errors import UserError


def line(text):
    """The line of the board on which a text stands."""
    return SEARCH_BOARD[: SEARCH_BOARD.index(text)].count("\n") + 1


@pytest.fixture
def fault(write_board):
    """The faults of the board after a change of its text."""

    def load(old, new):
        assert old in SEARCH_BOARD
        with pytest.raises(UserError) as error:
            load_board(write_board(SEARCH_BOARD.replace(old, new)), plugins=plugins())
        return str(error.value)

    return load


def test_a_search_changes_no_key_of_a_board(write_board):
    with_search = load_board(write_board(SEARCH_BOARD), plugins=plugins())
    without = load_board(write_board(SEARCH_BOARD.replace(SEARCH, "")), plugins=plugins())
    assert [cell.key for cell in with_search.cells] == [cell.key for cell in without.cells]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("method: tune", "method: tuen", "no method of this board is called 'tuen'; did you mean 'tune'?"),
        ("method: tune", "method: none", "none does not train: there is nothing to search"),
        ("bases: net", "bases: [net, ned]", "no base of this board is called 'ned'; did you mean 'net'?"),
        ("seeds: [100, 101]", "seeds: [100, 2]", "seed 2 is one of the board's seeds"),
        ("seeds: [100, 101]", "metric: fid, seeds: [100]".replace(", ", "\n    ", 1), "no metric of this board is called 'fid'"),
        ("seeds: [100, 101]", "seeds: [100]\n    pretrain_seed: 0", "pretrain_seed 0 is a seed of net on the board"),
        ("trials: 12", "rungs: 6", "6 rungs divide 45 steps too far: the first two would be the same"),
        ("trials: 12", "budget: 100", "images (100) is not a multiple of batch (128); nearest: 128"),
        ("high: 100", "high: 1", None),
        ("bank: {low: 1", "bank: {low: 0.5", "bank is a whole number, and its range goes from 0.5 to 20"),
        ("bank: {low: 1", "bank: {low: 0", "bank: must be at least 1, got 0"),
        ("high: 0.9", "high: 9", "optimizer.lr: must be at most 1, got 9.0"),
        ("strength:", "strenght:", "no setting is called 'strenght'; did you mean 'strength'? settings: strength, bank"),
        ("optimizer.lr:", "optimizer.rate:", "no setting is called 'optimizer.rate'; settings: lr"),
        ("chosen: searched/tune.yaml", "chosen: /tmp/tune.yaml", "must be the path of a .yaml file from the board's folder"),
        ("chosen: searched/tune.yaml", "chosen: tune.yml", "must be the path of a .yaml file from the board's folder"),
        ("optimizer.lr: {low: 0.1, high: 0.9}", "training.workers: {choices: [1, 2]}", "training.workers changes nothing beside"),
        ("bank: {low: 1, high: 20}", "bank: {choices: [1, a b]}", "bank: choices are numbers, true, false, or plain words"),
    ],
)
def test_a_wrong_search_is_a_fault_with_its_line(fault, write_board, old, new, text):
    if text is None:
        load_board(write_board(SEARCH_BOARD.replace(old, new)), plugins=plugins())
        return
    faults = fault(old, new)
    assert text in faults
    number = line(old) + new.count("\n")
    assert f"board.yaml:{number}: " in faults or f"board.yaml:{number - 1}: " in faults, faults


def test_settings_with_a_grid_have_no_search(fault):
    assert "tune has grids: a search needs an entry without them" in fault("lr: 0.2", "lr: {grid: [0.2, 0.3]}")


def test_two_searches_write_two_files(fault):
    other = SEARCH.removeprefix("search:\n").replace("weights:", "again:")
    assert "searched/tune.yaml: the search 'weights' writes this file too" in fault(SEARCH, SEARCH + other)


def test_an_unknown_key_names_its_line(fault):
    assert f"board.yaml:{line('trials: 12')}: no key is called 'search.weights.trails' here" in fault("trials:", "trails:")


def test_a_board_without_a_curve_names_a_metric(fault):
    assert "'metric' is missing: the board has no curve" in fault("curve: {metric: distance, points: 4, samples: 100}\n", "")
