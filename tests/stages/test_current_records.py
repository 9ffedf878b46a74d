"""Current records are those of the cell's or floor's key; what only looks like one is reported and made again."""

import pytest
from board_fixtures import fake_floor, fake_record

from harness.stages.brief_records import brief_record
from harness.stages.current_records import current_floor, current_record, has_result, is_measured
from harness.stages.record import record_path
from harness.store.records import Measured, UnreadableRecord, load_record, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def cell(board):
    return board.cells[0]


@pytest.fixture
def save(cell, runs):
    """Writes a record into the cell's file; returns the file."""

    def do(of=cell, **fields):
        save_record(fake_record(of, **fields), record_path(cell, runs))
        return record_path(cell, runs)

    return do


def test_a_record_of_the_key_is_current(cell, runs, save):
    assert current_record(cell, runs) is None
    assert not has_result(cell, runs)
    save()
    assert current_record(cell, runs).cell == cell.name
    assert has_result(cell, runs)
    save(status="failed", metrics={})
    assert current_record(cell, runs).status == "failed"
    assert not has_result(cell, runs)


def test_a_record_of_another_cell_or_key_is_damage(board, cell, runs, save, caplog):
    path = save(board.cells[1])
    assert not has_result(cell, runs)
    assert not caplog.messages
    assert current_record(cell, runs) is None
    (message,) = caplog.messages
    assert message.startswith(
        f"{path}: damaged: holds the record of {board.cells[1].name} under the key {board.cells[1].key}, not"
    )
    assert message.endswith("; it counts as absent, and `harness run` makes it again")
    save(key="0" * 24)
    assert current_record(cell, runs) is None


def test_a_value_that_the_metric_cannot_have_is_damage(cell, runs, save, caplog):
    save(metrics={"distance": Measured(values=[0.5, 0.5]), "likeness": Measured(values=[0.5, 1.375])})
    assert current_record(cell, runs) is None
    assert "damaged: likeness is 1.375, and the highest value of likeness is 1; it counts as absent" in caplog.messages[0]


@pytest.mark.parametrize(("measured", "words"), [
    ({}, "likeness has no values, the board measures 2 draws"),
    ({"likeness": Measured(values=[])}, "likeness has no values, the board measures 2 draws"),
    ({"likeness": Measured(values=[0.5] * 3)}, "likeness has 3 draws, the board measures 2"),
    ({"likeness": Measured(values=[0.5] * 2, also={"sd": []})}, "likeness has no values, the board measures 2 draws"),
])  # fmt: skip
def test_a_done_cell_that_lacks_values_is_made_again(cell, runs, save, caplog, measured, words):
    whole = {"distance": Measured(values=[0.5] * 2)}
    path = save(metrics={**whole, **measured})
    assert not has_result(cell, runs)
    assert brief_record(cell, runs) is None
    assert current_record(cell, runs) is None
    assert caplog.messages == [f"{path}: damaged: {words}; it counts as absent, and `harness run` makes it again"]
    save(metrics={**whole, **measured}, status="diverged")
    assert has_result(cell, runs)
    assert brief_record(cell, runs).status == "diverged"


def test_a_floor_likewise(board, runs, caplog):
    floor, other = board.floors
    path = runs.floor(board.name, floor.name, floor.key)
    assert current_floor(board.name, floor, runs) is None
    for bad in (
        fake_floor(board, other),
        fake_floor(board, floor).model_copy(update={"values": [-1.0] * 4}),
        fake_floor(board, floor).model_copy(update={"values": [0.5] * 3}),
    ):
        save_record(bad, path)
        assert not is_measured(board.name, floor, runs)
        assert current_floor(board.name, floor, runs) is None
    assert len(caplog.messages) == 3
    save_record(fake_floor(board, floor), path)
    assert is_measured(board.name, floor, runs)
    assert current_floor(board.name, floor, runs).metric == "distance"


def test_a_record_of_a_newer_harness_is_not_made_again(board, cell, runs, save):
    content = save().read_bytes()
    newer = load_record(record_path(cell, runs)).model_copy(update={"schema_version": 9})
    save_record(newer, record_path(cell, runs))
    for look in (current_record, has_result):
        with pytest.raises(UnreadableRecord, match=r"written by a newer harness \(schema 9, known: \d+\); upgrade$"):
            look(cell, runs)
    assert record_path(cell, runs).read_bytes() != content


def test_a_record_that_the_system_refuses_to_read_is_not_made_again(board, cell, runs, save, monkeypatch):
    path = save()
    path.unlink()
    path.mkdir()
    for look in (current_record, has_result):
        with pytest.raises(UnreadableRecord, match="a folder stands where a record must be; move it away"):
            look(cell, runs)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(UnreadableRecord, match="cannot be read: Permission denied; see to its permissions or the disk"):
        current_record(cell, runs)
