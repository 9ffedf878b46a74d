"""`harness validate`: all faults of all boards at once, and nothing runs."""

import pytest


@pytest.fixture
def other(shell):
    """A second board, with a fault."""
    folder = shell.folder.with_name("other")
    folder.mkdir()
    text = (shell.folder / "board.yaml").read_text()
    (folder / "board.yaml").write_text(text.replace("title", "titel"))
    return folder


def test_a_board_without_faults_says_how_many_cells_it_has(shell):
    done = shell("validate", "leaderboards/small")
    assert (done.returncode, done.stdout) == (0, "leaderboards/small: 6 cells, 0 of them skipped\n")
    assert not shell.runs.root.exists()


def test_every_board_is_looked_at(shell, other):
    done = shell("validate", "leaderboards/other", "leaderboards/small")
    assert done.returncode == 2
    assert done.stdout == "leaderboards/small: 6 cells, 0 of them skipped\n"
    assert "leaderboards/other/board.yaml:1: no key is called 'titel' here; did you mean 'title'?" in done.stderr


def test_a_board_that_is_named_twice_is_looked_at_once(shell):
    assert shell("validate", "leaderboards/small", "leaderboards/small/board.yaml").stdout.count("\n") == 1


def test_cells_that_will_be_skipped_are_counted(shell):
    board = shell.folder / "board.yaml"
    bases = "bases:\n  edm: {model: edm-mlp, pretrain: {method: mle, training: {images: 1280}}}\n"
    board.write_text(board.read_text().replace("bases:\n", bases).replace("ddo: }", "sft-pg: }"))
    assert shell("validate", "leaderboards/small").stdout == "leaderboards/small: 12 cells, 2 of them skipped\n"


def test_a_file_of_weights_that_is_not_there_is_named(shell):
    board = shell.folder / "board.yaml"
    loaded = "  brought: {weights: gone.pt, model: {name: ddpm-mlp, width: 8}}"
    board.write_text(board.read_text().replace("bases:\n", f"bases:\n{loaded}\n"))
    done = shell("validate", "leaderboards/small")
    assert done.returncode == 0
    remark, line = done.stderr.splitlines()
    assert remark.startswith("leaderboards/small: ddpm: cells share the seed 0 with the pretraining of their base")
    assert line.startswith("absent, and needed to run: ")
    assert "no file of weights is at" in line


def test_rows_that_papers_report_are_checked_too(shell):
    (shell.folder / "reported.csv").write_text("base,method\nddpm,ddo\n")
    done = shell("validate", "leaderboards/small")
    assert (done.returncode, done.stdout) == (2, "")
    assert "leaderboards/small/reported.csv" in done.stderr


def test_a_folder_without_a_board_is_a_fault(shell):
    done = shell("validate", "leaderboards/small", "leaderboards/smal")
    assert done.returncode == 2
    assert "did you mean 'leaderboards/small'?" in done.stderr
