import pickle

import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board


def keys_of(write_board, fake_plugins, text=BOARD, **options):
    return {cell.name: cell.key for cell in load_board(write_board(text), plugins=fake_plugins, **options).cells}


def test_keys_do_not_change_with_comments_order_or_labels(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    text = "# a remark\n" + BOARD.replace("label: more of it, note: the control", "label: another name")
    assert keys_of(write_board, fake_plugins, text) == before
    assert len(set(before.values())) == len(before)


def test_new_settings_of_a_method_change_its_cells_only(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    after = keys_of(write_board, fake_plugins, BOARD.replace("  tune:", "  tune: {method: {name: tune, rate: 0.2}}"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in before if "/tune/" in name}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seeds:", "protocol: 2\nseeds:"),
        ("samples: 100, draws: 2}", "samples: 50, draws: 2}"),
        ("likeness: {digits: 3}", "likeness: {digits: 3, explodes_above: 9}"),
        ("likeness: {digits: 3}", "likeness: {digits: 3, draws: 1}"),
    ],
)
def test_what_moves_a_number_changes_every_key(write_board, fake_plugins, old, new):
    before, after = keys_of(write_board, fake_plugins), keys_of(write_board, fake_plugins, BOARD.replace(old, new))
    assert not set(before.values()) & set(after.values())


def test_another_curve_changes_the_cells_that_train(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    after = keys_of(write_board, fake_plugins, BOARD.replace("points: 4", "points: 5"))
    assert {name for name in before if before[name] == after[name]} == {n for n in before if "/none/" in n}


def test_cells_can_be_sent_to_other_processes(board):
    cell = board.cells[4]
    again = pickle.loads(pickle.dumps(cell))
    assert (again.name, again.key, again.finetune_key, again.sample_key) == (
        cell.name, cell.key, cell.finetune_key, cell.sample_key,
    )  # fmt: skip
