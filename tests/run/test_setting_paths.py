"""Two files under one path in settings are not mixed in one runs folder, whose keys hold the path alone."""

import dataclasses
import shutil

import pytest
from pydantic import create_model

from harness import Config
from harness.board.components import Resolved
from harness.board.reading.load import load_board
from harness.components import Dataset
from harness.errors import UserError
from harness.paths import BoardPath, board_context
from harness.plugins import registry
from harness.run import setting_paths
from harness.run.start import RunOptions, run_board
from harness.store.runs_folder import RunsFolder


class FileConfig(Config):
    file: BoardPath


class PinnedConfig(FileConfig):
    sha256: str = "a"

    @property
    def identity(self):
        return {"sha256": self.sha256}


def with_file(config: type[Config]) -> type[Config]:
    """Return settings that also have a file."""
    return create_model("WithFile", __base__=config, file=(BoardPath, ...))


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def paths(tmp_path, runs):
    """The paths of a dataset of the board `rings` in the folder `parent`."""

    def of(parent, config=FileConfig, file="../data"):
        settings = config.model_validate({"file": file}, context=board_context(tmp_path / parent / "rings"))
        component = Dataset("points", build="nowhere:Points", summary="", config=config)
        return setting_paths.of_components([Resolved(component, settings, "fake", "1/1")], runs)

    return of


@pytest.fixture
def write(tmp_path):
    def to(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return to


def test_another_file_under_the_same_path_is_refused(paths, runs, write):
    first, second = write("a/data", "1"), write("b/data", "2")
    setting_paths.keep(paths("a"))
    (path,) = paths("a")
    path.check(runs)
    (path,) = paths("b")
    with pytest.raises(UserError) as caught:
        path.check(runs)
    assert str(caught.value) == (
        f"dataset points: data is {second} here, and {runs.root} holds results of {first}, which differs: both have the same "
        "keys; use another --runs-dir, or give one of the two another name"
    )


@pytest.mark.parametrize("name", ["data", "data/deep/file"])
def test_an_equal_file_or_folder_is_the_same_data(paths, runs, write, name):
    write(f"a/{name}", "1")
    write(f"b/{name}", "1")
    setting_paths.keep(paths("a"))
    paths("b")[0].check(runs)
    write(f"b/{name}", "2")
    with pytest.raises(UserError, match="which differs"):
        paths("b")[0].check(runs)


def test_data_that_were_moved_are_the_same_data(paths, runs, write, tmp_path):
    write("a/data", "1")
    setting_paths.keep(paths("a"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    paths("b")[0].check(runs)
    setting_paths.keep(paths("b"))
    write("a/data", "2")
    with pytest.raises(UserError, match="which differs"):
        paths("a")[0].check(runs)


def test_a_link_that_now_leads_elsewhere_is_other_data(paths, runs, write, tmp_path):
    write("v1", "1")
    write("v2", "2")
    link = tmp_path / "link"
    link.symlink_to("v1")
    setting_paths.keep(paths("a", file=str(link)))
    link.unlink()
    link.symlink_to("v2")
    with pytest.raises(UserError, match=r"/v2 here, and .* holds results of .*/v1, which differs"):
        paths("a", file=str(link))[0].check(runs)


@pytest.mark.parametrize("content", ["", "[]", '{"file": 3}'])
def test_a_note_that_says_nothing_is_written_anew(paths, runs, write, content):
    write("a/data", "1")
    (path,) = paths("a")
    path.note.parent.mkdir(parents=True)
    path.note.write_text(content)
    path.check(runs)
    path.keep()
    write("b/data", "2")
    with pytest.raises(UserError, match="which differs"):
        paths("b")[0].check(runs)


def test_a_path_that_is_no_part_of_the_identity_is_pinned_elsewhere(paths):
    assert paths("a", PinnedConfig) == []


def test_a_run_of_another_board_of_the_name_with_other_data_begins_nothing(serial, small_text, runs, tmp_path, monkeypatch):
    provided = registry().provided("dataset", "swiss-roll", where="this test")

    component = dataclasses.replace(provided.component, config=with_file(provided.component.config))
    monkeypatch.setitem(registry()._components["dataset"], "swiss-roll", dataclasses.replace(provided, component=component))
    boards = []
    for parent in "ab":
        folder = tmp_path / parent / "small"
        folder.mkdir(parents=True)
        (folder / "data.npz").write_text(parent)
        (folder / "board.yaml").write_text(small_text.replace("train_size: 200", "train_size: 200, file: data.npz"))
        boards.append(load_board(folder))
    first, second = boards
    assert {cell.key for cell in first.cells} == {cell.key for cell in second.cells}
    cell = first.cells[0]
    run_board(first, [cell], runs, RunOptions(jobs=1))
    with pytest.raises(UserError, match=r"^dataset swiss-roll: small/data\.npz is .*/b/small/data\.npz here, and .*/a/small/"):
        run_board(second, [second.cells[0]], runs, RunOptions(jobs=1))
    run_board(second, [second.cells[0]], RunsFolder(tmp_path / "others"), RunOptions(jobs=1))
