import math
import re

import pytest

from harness.errors import UserError
from harness.report.collect import collect_published, collect_runs, is_current
from harness.report.outcome import outcome_of_record
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import Measured, save_record


def runnable(board):
    return [cell for cell in board.cells if cell.skip_reason is None]


def published_file(board, name):
    return BoardFolder(board.folder).record(name)


def test_records_of_other_settings_are_stale_and_absent_ones_missing(board, publish_records):
    first, second, *rest = runnable(board)
    publish_records(board, rest)
    publish_records(board, [first], key="0" * 24)
    collection = collect_published(board)
    assert collection.stale == (RecordName("cell", first.name),)
    assert collection.stale_cells == {first.name}
    assert not collection.stale_floors
    assert collection.missing == [first, second]
    assert set(collection.records) == {cell.name for cell in rest}
    assert not collection.missing_floors


def test_a_floor_of_other_settings_is_stale_and_missing(board, publish_records, make_floor):
    publish_records(board)
    floor = board.floors[0]
    older = make_floor(board, floor).model_copy(update={"key": "0" * 24})
    save_record(older, published_file(board, RecordName("floor", floor.name)))
    collection = collect_published(board)
    assert collection.stale == (RecordName("floor", "distance"),)
    assert collection.stale_floors == {"distance"}
    assert not collection.stale_cells
    assert collection.missing_floors == ["distance"]
    assert set(collection.floors) == {"likeness"}


def test_a_smoke_record_never_counts_for_a_real_board(board, publish_records):
    publish_records(board, board.cells[:1], is_smoke=True)
    assert collect_published(board).stale == (RecordName("cell", board.cells[0].name),)


@pytest.mark.parametrize(("key", "is_smoke", "expected"), [(None, False, True), ("0" * 24, False, False), (None, True, False)])
def test_a_record_is_current_when_key_and_kind_of_run_are_the_board_s(board, make_record, key, is_smoke, expected):
    cell = board.cells[0]
    record = outcome_of_record(make_record(cell, key=key or cell.key, is_smoke=is_smoke))
    assert is_current(record, cell.key, board) is expected


def test_runs_keep_older_records_beside_current_ones(board, runs, make_record):
    first, second = board.cells[:2]
    for cell, key in ((first, first.key), (first, "0" * 24), (second, "0" * 24)):
        save_record(make_record(cell, key=key), runs.record(board.name, cell.name, key))
    collection = collect_runs(board, runs)
    assert set(collection.records) == {first.name}
    assert collection.stale == (RecordName("cell", second.name),)


def test_runs_of_another_board_do_not_count(board, runs, make_record):
    cell = board.cells[0]
    save_record(make_record(cell), runs.record("another", cell.name, cell.key))
    assert not collect_runs(board, runs).records


def test_floors_of_runs_are_collected_by_their_names(board, runs, run_records):
    run_records(board, runs)
    collection = collect_runs(board, runs)
    assert {name: record.metric for name, record in collection.floors.items()} == {"distance": "distance", "likeness": "likeness"}
    assert not collection.missing
    assert not collection.stale


def test_a_damaged_record_is_an_error_that_names_the_file(board, publish_records):
    publish_records(board)
    path = published_file(board, RecordName("cell", board.cells[0].name))
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 9'))
    with pytest.raises(UserError, match=rf"{path.name}: damaged: its checksum does not match"):
        collect_published(board)


def test_damaged_records_hide_no_others_where_faults_are_collected(board, publish_records):
    publish_records(board)
    cut, changed = RecordName("cell", board.cells[0].name), RecordName("floor", "likeness")
    for record in (cut, changed):
        published_file(board, record).write_text("{")
    bad = {"distance": Measured(values=[-0.5]), "likeness": Measured(values=[0.5])}
    publish_records(board, board.cells[1:2], metrics=bad)
    published_file(board, changed).write_text("{")
    faults = []
    collection = collect_published(board, faults=faults)
    assert set(collection.records) == {cell.name for cell in board.cells[2:] if cell.skip_reason is None}
    assert (list(collection.floors), collection.stale) == (["distance"], ())
    assert [fault.split("/")[-1].partition(": ")[0] for fault in faults] == [
        cut.file_name,
        RecordName("cell", board.cells[1].name).file_name,
        changed.file_name,
    ]


@pytest.mark.parametrize(("values", "words"), [
    ([0.1, -0.5], "distance is -0.5, and the lowest value of distance is 0"),
    ([0.1, math.nan], "distance is nan"),
    ([math.inf, 0.1], "distance is inf"),
])  # fmt: skip
def test_a_value_that_the_metric_cannot_have_is_an_error_that_names_the_file(
    board, runs, publish_records, run_records, values, words
):
    cell, metrics = board.cells[0], {"distance": Measured(values=values), "likeness": Measured(values=[0.5])}
    publish_records(board, [cell], metrics=metrics)
    run_records(board, runs, [cell], metrics=metrics)
    with pytest.raises(UserError, match=rf"net__none__s0\.json: damaged: {re.escape(words)}"):
        collect_published(board)
    with pytest.raises(UserError, match=rf"net__none__s0\.\w+\.json: damaged: {re.escape(words)}"):
        collect_runs(board, runs)


@pytest.mark.parametrize(("measured", "words"), [
    ({"likeness": None}, "likeness has no values, the board measures 2 draws"),
    ({"likeness": Measured(values=[])}, "likeness has no values, the board measures 2 draws"),
    ({"distance": Measured(values=[0.1])}, "distance has 1 draw, the board measures 2"),
    ({"distance": Measured(values=[0.1] * 3)}, "distance has 3 draws, the board measures 2"),
    ({"distance": Measured(values=[0.1] * 2, also={"sd": [0.1]})}, "distance has 1 draw, the board measures 2"),
])  # fmt: skip
def test_a_done_cell_has_every_draw_of_every_column(board, runs, make_record, measured, words):
    cell = board.cells[0]
    metrics = {name: each for name, each in ({**make_record(cell).metrics, **measured}).items() if each is not None}
    for path, collect in (
        (published_file(board, RecordName("cell", cell.name)), lambda: collect_published(board)),
        (runs.record(board.name, cell.name, cell.key), lambda: collect_runs(board, runs)),
    ):
        for changes in ({"status": "diverged"}, {"status": "failed"}):
            save_record(make_record(cell, metrics=metrics, **changes), path)
            assert set(collect().records) == {cell.name}
        save_record(make_record(cell, metrics=metrics), path)
        with pytest.raises(UserError, match=rf"{re.escape(path.name)}: damaged: {words}: restore the file"):
            collect()


def test_a_column_with_draws_of_its_own_has_those(load, publish_records, make_record):
    board = load(("  likeness: {", "  likeness: {draws: 1, "))
    publish_records(board)
    assert len(collect_published(board).records) == 15
    path = published_file(board, RecordName("cell", board.cells[0].name))
    save_record(
        make_record(board.cells[0], metrics={name: Measured(values=[0.5] * 2) for name in ("distance", "likeness")}), path
    )
    with pytest.raises(UserError, match="damaged: likeness has 2 draws, the board measures 1:"):
        collect_published(board)


def test_draws_of_a_stale_record_are_nobody_s_business(board, publish_records):
    publish_records(board, board.cells[:1], key="0" * 24, metrics={"distance": Measured(values=[0.1] * 3)})
    assert collect_published(board).stale == (RecordName("cell", board.cells[0].name),)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "has no values, the board measures 4 pairs"),
        ([0.5] * 5, "has 5 pairs, the board measures 4"),
        ([0.5, 1.375, 0.5, 0.5], "is 1.375, and the highest value of likeness is 1"),
    ],
)
def test_a_floor_has_every_pair_and_values_that_the_metric_can_have(
    board, runs, publish_records, run_records, make_floor, values, words
):
    publish_records(board)
    run_records(board, runs)
    bad = make_floor(board, board.floors[1]).model_copy(update={"values": values})
    for path, collect in (
        (published_file(board, RecordName("floor", "likeness")), lambda: collect_published(board)),
        (runs.floor(board.name, "likeness", board.floors[1].key), lambda: collect_runs(board, runs)),
    ):
        save_record(bad, path)
        with pytest.raises(UserError, match=re.escape(f"{path.name}: damaged: likeness {words}")):
            collect()


def test_a_floor_that_the_dataset_may_be_too_small_for_may_have_no_values(load, make_floor, publish_records):
    board = load(("distance: {shown", "distance: {against: selection, shown"))
    publish_records(board)
    path = published_file(board, RecordName("floor", "distance"))
    for values, is_right in (([], True), ([0.5] * 4, True), ([0.5] * 3, False)):
        save_record(make_floor(board, board.floors[0]).model_copy(update={"values": values}), path)
        if is_right:
            assert collect_published(board).floors["distance"].values == values
        else:
            with pytest.raises(UserError, match="damaged: distance has 3 pairs, the board measures 4"):
                collect_published(board)


@pytest.mark.parametrize(("fields", "held"), [({"seed": 1}, "net/none/s1"), ({"method": "fit"}, "net/fit/s0")])
def test_a_record_that_names_another_cell_than_its_key_is_damage(board, publish_records, fields, held):
    publish_records(board, board.cells[:1], **fields)
    with pytest.raises(
        UserError, match=rf"net__none__s0\.json: damaged: holds the record of {held} under the key \w+, not of net/n"
    ):
        collect_published(board)


def test_a_floor_that_names_another_metric_than_its_key_is_damage(board, publish_records, make_floor):
    publish_records(board)
    bad = make_floor(board, board.floors[0]).model_copy(update={"metric": "likeness"})
    save_record(bad, published_file(board, RecordName("floor", "distance")))
    with pytest.raises(UserError, match=r"floor__distance\.json: damaged: holds the record of likeness under the key"):
        collect_published(board)


def test_a_file_that_holds_no_older_record_says_what_it_holds(board, publish_records, make_record, make_floor):
    first, second, third, fourth = board.cells[:4]
    publish_records(board, [first], is_smoke=True)
    publish_records(board, [second], key="0" * 24)
    save_record(make_record(fourth), published_file(board, RecordName("cell", third.name)))
    smoke = make_floor(board, board.floors[0]).model_copy(update={"is_smoke": True})
    save_record(smoke, published_file(board, RecordName("floor", "distance")))
    collection = collect_published(board)
    names = [RecordName("cell", cell.name) for cell in (first, second, third)]
    assert collection.stale == (*names, RecordName("floor", "distance"))
    assert collection.strange == {
        names[0]: "a smoke record",
        names[2]: f"the record of another, {fourth.name}",
        RecordName("floor", "distance"): "a smoke record",
    }


def test_rounding_does_not_leave_a_range(board, publish_records):
    publish_records(
        board, [board.cells[0]], metrics={"distance": Measured(values=[-1e-9]), "likeness": Measured(values=[1 + 1e-9])}
    )
    assert set(collect_published(board).records) == {board.cells[0].name}


def test_a_record_in_the_place_of_another_is_damage(board, runs, run_records):
    run_records(board, runs)
    first, second = (runs.record(board.name, cell.name, cell.key) for cell in board.cells[:2])
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(
        UserError, match=r"net__none__s0\.\w+\.json: damaged: holds the record of net/none/s1 under the key \w+, not of"
    ):
        collect_runs(board, runs)
    first.write_bytes(content)
    first, second = (runs.floor(board.name, floor.name, floor.key) for floor in board.floors[:2])
    first.write_bytes(second.read_bytes())
    with pytest.raises(UserError, match="damaged: holds the record of likeness under the key"):
        collect_runs(board, runs)


def test_no_folder_means_that_nothing_has_run(board, runs):
    for collection in (collect_published(board), collect_runs(board, runs)):
        assert len(collection.missing) == 15  # 18 cells, three of them skipped
        assert collection.missing_floors == ["distance", "likeness"]


def test_other_files_among_the_results_do_no_harm(board, publish_records):
    results = publish_records(board)
    (results / "notes.json").write_text("by hand")
    assert not collect_published(board).stale


def test_rows_are_cells_by_base_and_method_in_the_order_of_the_board(collection):
    assert [(row.name, [cell.seed for cell in cells]) for row, cells in collection.rows] == [
        (f"{base}/{method}", [0, 1, 2]) for base in ("net", "chain") for method in ("none", "fit", "tune")
    ]


def test_cells_that_cannot_run_are_not_missing(collection):
    assert not any(cell.skip_reason for cell in collection.missing)
    assert all(cell.name not in collection.records for cell in collection.board.cells if cell.skip_reason)


def test_a_record_is_found_by_its_name(collection):
    assert collection.find(RecordName("cell", "net/fit/s1")) is collection.records["net/fit/s1"]
    assert collection.find(RecordName("floor", "distance")) is collection.floors["distance"]
    assert collection.find(RecordName("cell", "distance")) is None
    assert collection.find(RecordName("floor", "net/fit/s1")) is None


def test_outcomes_are_current_records_and_done_ones_ended_well(board, publish_records):
    cells = runnable(board)[:3]
    publish_records(board, cells[:1])
    publish_records(board, cells[1:2], status="diverged")
    collection = collect_published(board)
    assert [outcome.cell for outcome in collection.outcomes(cells)] == [cells[0].name, cells[1].name]
    assert [outcome.cell for outcome in collection.done(cells)] == [cells[0].name]
