from pathlib import Path

import pytest

from harness.board.reading.find import board_file
from harness.errors import UserError


@pytest.fixture
def boards(write_board, tmp_path, monkeypatch):
    """A working directory with two boards and another folder."""
    monkeypatch.chdir(tmp_path)
    write_board(name="rings")
    (write_board(name="two-moons") / "results").mkdir()
    (tmp_path / "notes").mkdir()


def message_of(path):
    with pytest.raises(UserError) as caught:
        board_file(path)
    return str(caught.value)


ALL = "boards: leaderboards/rings, leaderboards/two-moons"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("leaderboards/rigns", f"no such folder); did you mean 'leaderboards/rings'? {ALL}"),
        ("rings", f"no such folder); did you mean 'leaderboards/rings'? {ALL}"),
        ("leaderboards/cifar10", f"no such folder); {ALL}"),
        ("leaderboards", f"no board.yaml in this folder); {ALL}"),
        ("notes", f"no board.yaml in this folder); {ALL}"),
        ("leaderboards/two-moons/results", "no board.yaml in this folder); did you mean 'leaderboards/two-moons'? boards: "),
        ("leaderboards/rings/board.yml", "no such file); did you mean 'leaderboards/rings'? boards: "),
    ],
)
def test_a_path_without_a_board_names_the_one_meant_and_those_nearby(boards, tmp_path, given, message):
    assert f"{given}: no board there ({message}" in message_of(Path(given))


def test_each_board_nearby_is_named_once(boards, tmp_path):
    assert message_of(tmp_path / "leaderboards" / "none").count("rings") == 1


def test_a_board_is_found_by_its_folder_and_its_file(boards, tmp_path):
    folder = tmp_path / "leaderboards" / "rings"
    assert board_file(folder) == board_file(folder / "board.yaml") == folder / "board.yaml"


def test_a_board_that_two_paths_lead_to_is_named_once(boards, tmp_path):
    (tmp_path / "leaderboards" / "also").symlink_to(tmp_path / "leaderboards" / "rings")
    named = message_of(Path("leaderboards")).rpartition("boards: ")[2].split(", ")
    assert named == ["leaderboards/also", "leaderboards/two-moons"]


def test_without_boards_nearby_there_are_none_to_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message_of(Path("rings")) == "rings: no board there (no such folder); boards: none"


def test_a_folder_in_the_place_of_the_file_is_called_what_it_is(boards):
    Path("leaderboards/hidden/board.yaml").mkdir(parents=True)
    message = message_of(Path("leaderboards/hidden"))
    assert message.startswith("leaderboards/hidden: no board there (a folder stands where its board.yaml must be); boards: ")


def test_a_file_that_is_no_board_is_told_what_one_is(boards):
    Path("notes/list").write_text("")
    assert "notes/list: no board there (a board is a folder with a board.yaml)" in message_of(Path("notes/list"))
