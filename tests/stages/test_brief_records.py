"""Records read in brief say the same as records read whole, of whatever kind the file is."""

import pytest

from harness.run.durations import seconds_of
from harness.stages import brief_records
from harness.stages.brief_records import brief_record
from harness.stages.current_records import current_record
from harness.stages.record import record_path
from harness.store.records import NewerRecord, SourceFacts, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def cell(board):
    return next(cell for cell in board.cells if cell.skip_reason is None)


@pytest.fixture
def save(cell, runs, make_record):
    """Save the cell's record with other fields, and return it."""

    def save(**fields):
        record = make_record(cell).model_copy(update=fields)
        save_record(record, record_path(cell, runs))
        return record

    return save


def test_it_says_what_the_record_says(cell, runs, save, monkeypatch):
    monkeypatch.setattr(brief_records, "current_record", lambda *_: pytest.fail("it was read whole"))
    record = save(status="diverged", reason="loss is nan", sources=[SourceFacts(component="method fit", sha256="a" * 64)])
    brief = brief_record(cell, runs)
    assert (brief.status, brief.reason, brief.seconds) == ("diverged", "loss is nan", seconds_of(record))
    assert list(brief.sources) == record.sources


def test_without_a_record_or_with_another_cells_or_a_damaged_one_there_is_none(cell, runs, save):
    assert brief_record(cell, runs) is None
    for fields in ({"seed": 77}, {"key": "0" * 24}):
        save(**fields)
        assert brief_record(cell, runs) is None
        assert current_record(cell, runs) is None
    save()
    path = record_path(cell, runs)
    path.write_text(path.read_text().replace('"done"', '"dome"'))
    assert brief_record(cell, runs) is None


def test_a_newer_record_is_refused_as_ever(cell, runs, save):
    save(schema_version=99)
    with pytest.raises(NewerRecord):
        brief_record(cell, runs)
