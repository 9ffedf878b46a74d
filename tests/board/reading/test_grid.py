"""Cells and floors: bases × methods × seeds, at each number of samples."""

import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD

from harness.board.reading.load import load_board


def test_a_board_has_a_cell_for_each_base_method_and_seed(board):
    assert [cell.name for cell in board.cells[:4]] == ["net/none/s0", "net/none/s1", "net/none/s2", "net/fit/s0"]
    assert len(board.cells) == 2 * 3 * 3
    assert [floor.column.name for floor in board.floors] == ["distance", "likeness"]


def test_a_seed_that_is_given_twice_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "[0, 1, 2]", "[0, 1, 0]")
    assert found == "board.yaml:11: seed 0 is given twice: its cells would be duplicates"


@pytest.mark.parametrize("seeds", ["[true]", "[1000000]", "[-1]", "[0.5]"])
def test_seeds_are_whole_numbers_below_those_of_the_floor(write_board, fake_plugins, seeds):
    assert fault(write_board, fake_plugins, "seeds: [0, 1, 2]", f"seeds: {seeds}").startswith("board.yaml:")


def sized(write_board, fake_plugins, **options):
    text = BOARD.replace("{samples: 100, draws: 2}", "{sizes: [200, 50], draws: 2}")
    return load_board(write_board(text), plugins=fake_plugins, **options)


def test_a_board_of_several_sizes_has_all_rows_for_each(write_board, fake_plugins):
    board = sized(write_board, fake_plugins)
    assert len(board.cells) == 2 * 2 * 3 * 3
    assert [cell.name for cell in board.cells[::9]] == [
        "net/none/n200/s0",
        "chain/none/n200/s0",
        "net/none/n50/s0",
        "chain/none/n50/s0",
    ]
    assert {(cell.row.size, cell.evaluation.samples) for cell in board.cells} == {(200, 200), (50, 50)}


def test_a_board_of_several_sizes_has_all_floors_for_each(write_board, fake_plugins):
    floors = sized(write_board, fake_plugins).floors
    assert [floor.name for floor in floors] == ["distance__n200", "likeness__n200", "distance__n50", "likeness__n50"]
    assert [(floor.samples, floor.size) for floor in floors[::2]] == [(200, 200), (50, 50)]


def test_a_smoke_run_has_the_smallest_size_and_keeps_its_name_apart(write_board, fake_plugins):
    board = sized(write_board, fake_plugins, smoke=True)
    assert {cell.row.name for cell in board.cells} >= {"net/none/n50"}
    assert {cell.evaluation.samples for cell in board.cells} == {50}


def test_without_sizes_rows_and_floors_have_none(board):
    assert {cell.row.size for cell in board.cells} == {floor.size for floor in board.floors} == {None}


def test_a_row_has_everything_that_its_cells_share(board):
    row = board.cells[3].row
    assert (row.board, row.protocol, row.method_name, row.method_label) == ("rings", 1, "fit", "more of it")
    assert (row.training.images, row.evaluation.samples, row.curve.points, row.is_smoke) == (1280, 100, 4, False)
    assert row.columns == board.columns
    assert all(cell.row is row for cell in board.cells[3:6])


def test_the_order_of_seeds_is_the_files(write_board, fake_plugins):
    board = load_board(write_board(BOARD.replace("[0, 1, 2]", "[7, 3]")), plugins=fake_plugins)
    assert [cell.seed for cell in board.cells[:2]] == [7, 3]


def test_every_repeated_seed_is_a_fault_of_its_own(write_board, fake_plugins):
    seeds = "seeds:\n  - 0\n  - 1\n  - 0\n  - 1"
    found = faults_of(write_board(BOARD.replace("seeds: [0, 1, 2]", seeds)), fake_plugins)
    assert found == [
        "board.yaml:14: seed 0 is given twice: its cells would be duplicates",
        "board.yaml:15: seed 1 is given twice: its cells would be duplicates",
    ]


def test_floors_know_all_columns_of_the_board(board):
    assert [floor.columns for floor in board.floors] == [board.columns] * 2
    assert [floor.dataset.name for floor in board.floors] == ["ring"] * 2


def test_the_seeds_of_a_base_are_paired_with_those_of_cells_and_begin_again(write_board, fake_plugins):
    step = "{method: fit, training: {images: 1280}"
    board = load_board(write_board(BOARD.replace(f"{step}}}", f"{step}, seeds: [4, 5]}}", 1)), plugins=fake_plugins)
    cells = {cell.name: cell for cell in board.cells}
    assert list(cells) == [cell.name for cell in load_board(write_board(BOARD), plugins=fake_plugins).cells]
    for method in ("none", "fit", "tune"):
        of_seeds = [cells[f"net/{method}/s{seed}"].base.paired_seed for seed in (0, 1, 2)]
        assert of_seeds == [4, 5, 4]
    assert len({cells[f"net/fit/s{seed}"].finetune_key for seed in (0, 1, 2)}) == 3
    assert [cells[f"chain/none/s{seed}"].base.paired_seed for seed in (0, 1, 2)] == [None, None, None]
