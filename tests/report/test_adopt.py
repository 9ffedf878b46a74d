"""Published records count as done where they are asked to."""

from harness.report.adopt import adopt
from harness.run.states import states
from harness.store.runs_folder import RunsFolder


def test_published_records_leave_only_the_rest_to_run(board, tmp_path, publish_records):
    layout = RunsFolder(tmp_path / "runs")
    publish_records(board, board.cells[:3])
    assert adopt(board, layout) == 3 + len(board.floors)
    found = {state.cell.name: state.state for state in states(board, board.cells, layout)}
    assert [found[cell.name] for cell in board.cells[:4]] == ["done", "done", "done", "to run"]


def test_stale_records_are_not_taken(board, tmp_path, publish_records):
    layout = RunsFolder(tmp_path / "runs")
    publish_records(board, board.cells[:2], key="of older settings")
    adopt(board, layout)
    assert all(state.record is None for state in states(board, board.cells, layout))


def test_what_was_measured_here_stays(board, tmp_path, publish_records, run_records):
    layout = RunsFolder(tmp_path / "runs")
    run_records(board, layout, board.cells[:1], created="here")
    publish_records(board, board.cells[:1], created="elsewhere")
    adopt(board, layout)
    (state, *_) = states(board, board.cells, layout)
    assert state.record.created == "here"
