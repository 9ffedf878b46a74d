"""A board that was renamed, or that has published records only, is told where its records are."""

import shutil
import subprocess

import pytest

from harness.board.reading.load import load_board
from harness.cli.records_elsewhere import records_elsewhere
from harness.store import outputs


@pytest.fixture
def renamed(filled):
    """The board small with all its records, under the name large."""
    shutil.copytree(filled.folder, filled.folder.with_name("large"))
    return filled


def test_a_renamed_board_is_told_of_its_records_and_can_take_them_over(renamed):
    done = renamed("status", "leaderboards/large")
    assert done.stdout.splitlines()[0] == "6 cells: 6 to run"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("records of")]
    sentence, _, copy = line.partition("; to take them over: ")
    assert sentence == "records of 6 cells exist under the board small in runs/records/small"
    assert copy == "mkdir -p runs/records/large && cp -n runs/records/small/*.json* runs/records/large/"
    subprocess.run(["sh", "-c", copy], check=True)
    assert renamed("status", "leaderboards/large").stdout.splitlines()[0] == "6 cells: 6 done"
    assert "records of" not in renamed("status", "leaderboards/large").stdout


def test_a_run_says_it_on_stderr(renamed):
    done = renamed("run", "leaderboards/large", "--dry-run", "--only", "seed=1")
    assert "records of 3 cells exist under the board small" in done.stderr
    assert "records of" not in done.stdout


def test_records_of_other_settings_are_of_other_cells(renamed):
    board = renamed.folder.with_name("large") / "board.yaml"
    board.write_text(board.read_text().replace("samples: 64", "samples: 65"))
    assert "records of" not in renamed("status", "leaderboards/large").stdout


def test_published_records_are_named_with_the_option_that_takes_them(filled):
    assert filled("publish", "leaderboards/small", "--partial").returncode == 0
    shutil.rmtree("runs/records")
    done = filled("run", "leaderboards/small", "--dry-run")
    words = "records of 6 cells exist in leaderboards/small/results; `harness run leaderboards/small --keep-published` takes them"
    assert words in done.stderr
    assert words not in filled("run", "leaderboards/small", "--dry-run", "--keep-published").stderr


def test_published_bases_are_named_with_the_option_that_takes_them(filled):
    """Else the base of a board whose rows somebody adds to is trained for hours, and comes out as another one."""
    (base,) = filled.board.bases
    outputs.once(filled.runs, "base", base.key, lambda _: {"weights_sha256": "b" * 64, "parameters": 5})
    assert filled("publish", "leaderboards/small", "--bases").returncode == 0
    filled.record("ddpm/ddo/s1").unlink()
    words = "the weights of 1 base are in leaderboards/small/bases; `harness run leaderboards/small --keep-published` takes them"
    assert words not in filled("status", "leaderboards/small").stdout
    shutil.rmtree("runs/stages")
    assert words in filled("status", "leaderboards/small").stdout


@pytest.mark.parametrize("content", ["{", "{}", None])
def test_a_damaged_published_record_is_named_and_hides_no_other(filled, content):
    assert filled("publish", "leaderboards/small", "--partial").returncode == 0
    shutil.rmtree("runs/records")
    damaged = filled.folder / "results" / "ddpm__none__s0.json"
    damaged.unlink()
    damaged.mkdir() if content is None else damaged.write_text(content)
    fault = f"{damaged.relative_to(filled.folder.parents[1])}: "
    count = "records of 5 cells exist in leaderboards/small/results; "
    status, dry = filled("status", "leaderboards/small"), filled("run", "leaderboards/small", "--dry-run")
    for done, text in ((status, status.stdout), (dry, dry.stderr)):
        assert done.returncode == 0
        assert [line.startswith(fault) for line in text.splitlines()].count(True) == 1
        assert count in text
    done = filled("run", "leaderboards/small", "--dry-run", "--keep-published")
    assert (done.returncode, fault in done.stderr) == (2, True), "this one needs the record"


def test_a_board_whose_records_are_all_there_is_told_nothing(filled):
    assert records_elsewhere(load_board(filled.folder), filled.board.cells, filled.runs) == []
