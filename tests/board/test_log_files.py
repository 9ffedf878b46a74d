"""Every training of a board has one log, under names that no two trainings share."""

from board_fixtures import BOARD

from harness.board.log_files import base_logs, cell_log, log_files
from harness.board.reading.load import load_board
from harness.store.board_folder import BoardFolder
from harness.store.runs_folder import RunsFolder


def test_cells_that_train_have_a_log_beside_their_record(board, tmp_path):
    runs = RunsFolder(tmp_path)
    for cell in board.cells:
        log = cell_log(cell)
        assert (log is not None) == cell.trains
        if log is not None:
            record = runs.record(board.name, cell.name, cell.key)
            assert log.beside_records(runs, board.name) == record.with_name(f"{record.stem}.log.jsonl")
            assert log.published(BoardFolder(board.folder)).parent == BoardFolder(board.folder).results
            assert log.training_key == cell.finetune_key
            assert runs.stage("finetune", cell.finetune_key) / "log.jsonl" == log.sources(runs)[0]


def test_each_step_of_pretraining_has_a_log_of_its_own(board, write_board, fake_plugins):
    step = "{method: fit, training: {images: 1280}}"
    text = BOARD.replace(f"model: net, pretrain: {step}", f"model: net, pretrain: [{step}, {step}]")
    two = load_board(write_board(text, "two"), plugins=fake_plugins)
    (log,) = base_logs(board.bases[0])
    assert (log.stem, log.training_key) == ("base__net", board.bases[0].key)
    first, second = base_logs(two.bases[0])
    assert (first.stem, second.stem) == ("base__net__step1", "base__net__step2")
    assert (first.training_key, second.training_key) == (log.training_key, two.bases[0].key)


def test_no_two_logs_share_a_name(board):
    stems = [log.stem for log in log_files(board.cells, board.bases)]
    assert len(set(stems)) == len(stems)


def test_each_seed_of_a_base_has_a_log_of_its_own(write_board, fake_plugins):
    step = "{method: fit, training: {images: 1280}"
    board = load_board(write_board(BOARD.replace(f"{step}}}", f"{step}, seeds: [4, 5]}}", 1)), plugins=fake_plugins)
    logs = [log for base in board.bases_by_name["net"] for log in base_logs(base)]
    assert [log.stem for log in logs] == ["base__net__s4", "base__net__s5"]
    assert [log.training_key for log in logs] == [base.key for base in board.bases_by_name["net"]]
