from harness.report.record_files import record_files
from harness.store.record_names import RecordName


def test_every_cell_and_every_floor_has_a_published_file_and_one_of_the_run(board, runs):
    files = list(record_files(board, runs))
    assert [file.record for file in files] == [
        *(RecordName("cell", cell.name) for cell in board.cells),
        *(RecordName("floor", floor.name) for floor in board.floors),
    ]
    assert len({file.published for file in files}) == len({file.run for file in files}) == len(files)


def test_the_files_are_those_that_runs_and_publishing_write(board, runs, run_records, publish_records):
    publish_records(board)
    run_records(board, runs)
    runnable = {RecordName("cell", cell.name) for cell in board.cells if cell.skip_reason is None}
    for file in record_files(board, runs):
        is_written = file.record.kind == "floor" or file.record in runnable
        assert file.published.is_file() is file.run.is_file() is is_written


def test_a_cell_of_other_settings_has_another_file_in_the_run_and_the_same_published_one(load, runs):
    before, after = (list(record_files(board, runs)) for board in (load(), load(("samples: 100, draws", "samples: 90, draws"))))
    assert [file.published for file in before] == [file.published for file in after]
    assert not {file.run for file in before if file.record.kind == "cell"} & {file.run for file in after}
