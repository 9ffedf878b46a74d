"""A pack holds all that its board is read from, and nothing else."""

import zipfile

import pytest
from board_fixtures import BOARD
from search_boards import SEARCH_BOARD, plugins, written

from harness.board.reading.load import load_board
from harness.errors import UserError
from harness.run.searching.trials import Trial
from harness.store.runs_folder import RunsFolder
from harness.submission.archive import is_chosen_file, read_pack
from harness.submission.manifest import read_manifest
from harness.submission.pack import write_pack

FROM = SEARCH_BOARD.replace("label: Tune,", "label: Tune, settings_from: searched/tune.yaml,")


@pytest.fixture
def publish(write_board, publish_records, studies, tmp_path):
    """Publishes fake records of a board whose settings a search chose; returns the board."""

    def published(text=FROM):
        (study,) = studies(text)
        trials = [Trial(number=0, point={"strength": 0.5, "optimizer.lr": 0.3, "bank": 7}, end="done", values=[1.5])]
        written(study, trials, RunsFolder(tmp_path / "runs"))
        board = load_board(study.folder, plugins=plugins())
        publish_records(board)
        return board

    return published


def test_the_file_of_chosen_settings_is_in_the_pack(publish, tmp_path):
    board = publish()
    write_pack(board, tmp_path / "pack.zip")
    assert read_pack(tmp_path / "pack.zip")["searched/tune.yaml"] == (board.folder / "searched/tune.yaml").read_bytes()


def test_a_file_elsewhere_is_in_no_pack(publish, tmp_path):
    board = publish(FROM.replace("searched/tune.yaml", "../tune.yaml"))
    with pytest.raises(UserError, match=r"takes settings from \.\./tune\.yaml, which no pack can hold"):
        write_pack(board, tmp_path / "pack.zip")


def test_a_board_without_searches_packs_no_more(write_board, publish_records, fake_plugins, tmp_path):
    board = load_board(write_board(BOARD), plugins=fake_plugins)
    publish_records(board)
    write_pack(board, tmp_path / "pack.zip")
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        assert not [name for name in archive.namelist() if name.endswith(".yaml") and name != "board.yaml"]


@pytest.mark.parametrize(
    "path", ["../x.yaml", "a/../x.yaml", "results/x.yaml", "board.yaml/x.yaml", ".x.yaml", "a//x.yaml", "x.py"]
)
def test_paths_that_no_pack_holds(path):
    assert not is_chosen_file(path)
    assert is_chosen_file("searched/ddo.v2.yaml")


@pytest.mark.parametrize("name", ["мой-board", "a board (2)", "émile"])
def test_a_board_in_a_folder_of_any_readable_name_is_packed(publish, tmp_path, name):
    board = publish()
    board.folder.rename(tmp_path / name)
    write_pack(load_board(tmp_path / name, plugins=plugins()), tmp_path / "pack.zip")
    assert read_manifest(read_pack(tmp_path / "pack.zip")["manifest.json"]).board == name


def test_a_folder_whose_name_no_pack_takes_is_one_line(publish, tmp_path):
    board = publish()
    board.folder.rename(tmp_path / ".hidden")
    with pytest.raises(
        UserError, match=r"'\.hidden' is no name of a board in a pack: .*; give the folder of the board another name"
    ):
        write_pack(load_board(tmp_path / ".hidden", plugins=plugins()), tmp_path / "pack.zip")
