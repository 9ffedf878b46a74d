"""A path in settings begins at the board's folder, wherever the command runs, and keys tell two boards' paths apart."""

import os
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness import Config
from harness.cli.setting_rows import setting_rows
from harness.inner_components import InnerSampler
from harness.paths import BoardPath, board_context, expanded


class WithFolder(Config):
    folder: BoardPath
    other: BoardPath | None = None


RINGS = board_context(Path("/boards/rings"))


@pytest.mark.parametrize(
    ("written", "text", "path"),
    [
        ("images", "rings/images", "/boards/rings/images"),
        ("./images/", "rings/images", "/boards/rings/images"),
        ("../images", "images", "/boards/images"),
        ("../../images", "../images", "/boards/../images"),
        ("/data/images", "/data/images", "/data/images"),
        ("~/images", "~/images", f"{Path.home()}/images"),
    ],
)
def test_a_path_begins_at_the_folder_of_the_board(written, text, path):
    folder = WithFolder.model_validate({"folder": written}, context=RINGS).folder
    assert (folder.text, str(folder), os.fspath(folder), folder.path) == (text, path, path, Path(path))


def test_without_a_board_a_path_begins_at_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = WithFolder(folder="images").folder
    assert (folder.text, folder.path.absolute()) == ("images", tmp_path / "images")
    assert WithFolder(folder=Path("images")) == WithFolder(folder="images")


def test_keys_tell_the_same_words_on_two_boards_apart_and_do_not_know_where_the_boards_are():
    rings, moons, moved = (
        WithFolder.model_validate({"folder": "images"}, context=board_context(Path(board))).identity
        for board in ("/boards/rings", "/boards/moons", "/elsewhere/rings")
    )
    assert rings == moved == {"folder": "rings/images", "other": None}
    assert rings != moons
    shared = [WithFolder.model_validate({"folder": "../x"}, context=board_context(Path(f"/b/{n}"))).identity for n in "ab"]
    assert shared[0] == shared[1]


def test_settings_with_paths_can_be_copied_and_pickled():
    settings = WithFolder.model_validate({"folder": "images"}, context=RINGS)
    for copy in (pickle.loads(pickle.dumps(settings)), WithFolder.model_validate(settings.model_dump())):
        assert str(copy.folder) == "/boards/rings/images"


@pytest.mark.parametrize("value", [3, None, "", "a\0b", b"images", ["images"]])
def test_what_is_no_path_is_a_fault(value):
    with pytest.raises(ValidationError, match="expected a path, as text"):
        WithFolder(folder=value)


def test_a_path_is_a_text_to_those_who_look_settings_up():
    folder, other = setting_rows(WithFolder)
    assert (folder["type"], folder["default"]) == ("string", "required")
    assert (other["type"], other["default"]) == ("string | none", "none")


def test_a_path_of_a_sampler_inside_a_sampler_begins_at_the_folder_of_the_board():
    given = {"name": "dpm-solver-v3", "statistics": "file", "file": "stats.safetensors", "sha256": "a" * 64}
    inner = InnerSampler.model_validate({"name": "cfg", "sampler": given}, context=RINGS)
    for sampler in (inner, pickle.loads(pickle.dumps(inner))):
        assert str(sampler.config.sampler.config.file) == "/boards/rings/stats.safetensors"
    assert inner.settings["sampler"]["settings"]["file"] == "rings/stats.safetensors"


def test_a_path_from_the_home_folder_of_a_user_who_has_none_stays_as_it_is(monkeypatch):
    def no_entry(_):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", no_entry)
    assert expanded("~/images") == BoardPath("~/images").path == Path("~/images")
    assert expanded("images") == Path("images")
