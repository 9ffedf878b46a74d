"""The runs folder: which one a command uses, and where each thing is in it."""

import os
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.store.runs_folder import RunsFolder, record_file_stem

KEY = "0123456789abcdef01234567"


def test_the_option_goes_before_the_variable_and_the_variable_before_the_current_folder(monkeypatch):
    monkeypatch.setenv("HARNESS_RUNS", "/data/runs")
    assert RunsFolder.of(Path("mine")).root == Path("mine")
    assert RunsFolder.of(None).root == Path("/data/runs")
    monkeypatch.setenv("HARNESS_RUNS", "")
    assert RunsFolder.of(None).root == Path("runs")
    monkeypatch.delenv("HARNESS_RUNS")
    assert RunsFolder.of(None).root == Path("runs")


def test_smoke_runs_share_no_path_with_real_ones():
    real, smoke = RunsFolder.of(Path("runs")), RunsFolder.of(Path("runs"), smoke=True)

    def paths(runs):
        places = (runs.stage("base", KEY), runs.work("base", KEY), runs.lease("base", KEY), runs.workers, runs.board("b"))
        return {*places, runs.records("b"), runs.record("b", "net/none/s0", KEY), runs.floor("b", "fid", KEY)}

    assert not paths(real) & paths(smoke)
    assert all(path.is_relative_to("runs/smoke") for path in paths(smoke))


def test_every_file_is_where_other_tools_expect_it():
    runs = RunsFolder(Path("runs"))
    assert runs.stage("sample", KEY) == Path(f"runs/stages/sample/{KEY}")
    assert runs.work("finetune", KEY) == Path(f"runs/work/finetune-{KEY}")
    assert runs.lease("cell", KEY) == Path(f"runs/leases/cell-{KEY}")
    assert runs.record("rings", "net/tune/n500/s2", KEY) == Path("runs/records/rings/net__tune__n500__s2.0123456789ab.json")
    assert runs.floor("rings", "fid[cnn]__n500", KEY) == Path("runs/records/rings/floor__fid[cnn]__n500.0123456789ab.json")
    assert (runs.workers, runs.board("rings")) == (Path("runs/workers"), Path("runs/boards/rings"))


@pytest.mark.parametrize("metric", ["fid[cnn]__n500", "sliced-w2", "kid.mean"])
def test_records_of_all_keys_have_one_file_stem(metric):
    runs = RunsFolder(Path("runs"))
    names = [runs.floor("rings", metric, key).name for key in (KEY, KEY[::-1])]
    assert len(set(names)) == 2
    assert {record_file_stem(name) for name in names} == {f"floor__{metric}"}


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    runs = RunsFolder(tmp_path / "deep" / "runs")
    runs.check_writable()
    assert os.listdir(runs.root) == []


def test_permissions_are_looked_up_where_the_folder_is_or_would_be_made_and_nothing_is_written(tmp_path, monkeypatch):
    runs = RunsFolder(tmp_path / "deep" / "runs")
    runs.check_permissions()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(UserError, match=f"^{tmp_path}: not writable; choose another folder"):
        runs.check_permissions()
    assert os.listdir(tmp_path) == []


def test_a_place_where_no_folder_can_be_is_found_without_writing_anything(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"link/runs: {tmp_path}/link is a link to {tmp_path}/nowhere, which is not there; make"):
        RunsFolder(tmp_path / "link" / "runs").check_permissions()
    with pytest.raises(UserError, match=f"file/runs: {tmp_path}/file is a file, and a folder must be there; choose another"):
        RunsFolder(tmp_path / "file" / "runs").check_permissions()
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_a_kill_while_the_folder_is_checked_leaves_nothing(tmp_path, kill_everywhere):
    runs = RunsFolder(tmp_path)
    kill_everywhere(runs.check_writable, lambda: None)
    assert os.listdir(tmp_path) == []


def test_what_killed_checks_left_is_removed_and_what_others_just_made_is_not(tmp_path):
    for name in ("..probe-7.0123", ".probe-abc"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".probe-new").touch()
    RunsFolder(tmp_path).check_writable()
    assert os.listdir(tmp_path) == [".probe-new"]


def test_a_link_to_nothing_is_called_that(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for folder in (tmp_path / "link", tmp_path / "link" / "deeper"):
        with pytest.raises(UserError, match=f": {tmp_path}/link is a link to {tmp_path}/gone, which is not there; make that"):
            RunsFolder(folder).check_writable()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has /proc")
@pytest.mark.parametrize("folder", ["/proc", "/proc/runs"])
def test_a_file_system_that_takes_no_files_is_called_that(folder):
    with pytest.raises(UserError, match=f"^{folder}: (this file system takes no new files|not writable); choose another folder"):
        RunsFolder(Path(folder)).check_writable()


def test_a_file_in_the_place_of_the_folder_is_the_users_to_mend(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match=rf"a file stands where a folder must be; move {tmp_path / 'runs'} away"):
        RunsFolder(tmp_path / "runs").check_writable()


@pytest.mark.parametrize("path", ["file", "file/runs"])
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, monkeypatch, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"/file: a file stands where a folder must be; choose another folder with --runs-dir"):
        RunsFolder.of(tmp_path / path)
    monkeypatch.setenv("HARNESS_RUNS", str(tmp_path / path))
    with pytest.raises(UserError, match=r"/file: a file stands where a folder must be"):
        RunsFolder.of(None, smoke=True)
