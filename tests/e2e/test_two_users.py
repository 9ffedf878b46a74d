"""Two users of one folder: what one of them may not read or write is one line, and nothing is taken for damage."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import in_process
import pytest
from in_process import as_user, command, write_board

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.usefixtures("in_this_process"),
]
in_this_process = in_process.in_this_process
OTHER = 65534
MEMORY = "/dev/shm"
"""A folder in memory, where a sync costs nothing."""
BOARD = "".join(line for line in in_process.BOARD.replace("seeds: [0]", "seeds: [0, 1]").splitlines(True) if "ddo" not in line)


@pytest.fixture
def shared():
    """A folder that every user can reach; pytest's own are shut."""
    folder = Path(tempfile.mkdtemp(prefix="harness-shared-", dir=MEMORY if Path(MEMORY).is_dir() else None))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def umask():
    """Set the umask of the first user."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.fixture
def board(shared):
    """A board's folder, writable by all, so that either user can publish."""
    folder = write_board(shared / "tiny", BOARD)
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The runs folders that were made once, by umask and options; tests get copies."""
    return tmp_path_factory.mktemp("made"), {}


@pytest.fixture
def finished(shared, board, umask, made):
    """Runs a part of the board as the first user, under a umask; returns the runs folder."""

    def do(mask, *arguments):
        umask(mask)
        folder, runs_by_options = made
        options = (mask, *arguments)
        if options not in runs_by_options:
            runs_by_options[options] = folder / f"{len(runs_by_options)}"
            ended = command("run", board, "--runs-dir", runs_by_options[options], *arguments)
            assert ended.code == 0, ended.err
        return shutil.copytree(runs_by_options[options], shared / "runs")

    return do


def files(runs):
    """Every file with its time: what was set aside or made again is not there, or has another."""
    return {path.relative_to(runs): path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}


def assert_one_line(ended, *words):
    assert ended.code == 2, ended
    (line,) = ended.errors
    assert all(word in line for word in words), line
    assert "Traceback" not in ended.err
    assert "damaged" not in ended.err


def test_every_mode_follows_the_umask(finished):
    for path in finished(0o027).rglob("*"):
        expected = 0o750 if path.is_dir() else 0o640
        assert oct(path.stat().st_mode & 0o777) == oct(expected), path


def test_a_second_user_sees_and_publishes_what_the_first_made_and_cannot_write_there(board, finished):
    runs = finished(0o022)
    before = files(runs)
    status = as_user(OTHER, "status", board, "--runs-dir", runs)
    assert (status.code, status.err) == (0, "")
    assert "4 cells: 4 done" in status.out
    assert as_user(OTHER, "run", board, "--runs-dir", runs, "--dry-run").code == 0
    assert_one_line(as_user(OTHER, "run", board, "--runs-dir", runs), f"{runs}: not writable", "--runs-dir")
    assert files(runs) == before
    published = as_user(OTHER, "publish", board, "--runs-dir", runs)
    # A plot needs the fonts of matplotlib, and an environment may stand in a folder that is not open to all.
    others = [line for line in published.err.splitlines() if not re.fullmatch(r".*PermissionError.*/fonts/.*", line)]
    assert (published.code, others) == (0, [])
    assert (board / "results" / "small__mle__s1.json").stat().st_uid == OTHER


def test_a_second_user_goes_on_where_the_first_stopped_in_a_folder_that_both_may_write(board, finished, shared):
    runs = finished(0o000, "--seeds", "0")
    before = files(runs / "stages" / "base") | files(runs / "stages" / "finetune")
    ended = as_user(OTHER, "run", board, "--runs-dir", runs, umask=0o000)
    assert ended.code == 0, ended.err
    assert "damaged" not in ended.err
    assert {name: time for name, time in files(runs / "stages" / "finetune").items() if name in before}
    assert before.items() <= (files(runs / "stages" / "base") | files(runs / "stages" / "finetune")).items()
    again = command("run", board, "--runs-dir", runs)
    assert (again.code, "damaged" in again.err) == (0, False)


def test_a_disk_that_takes_no_writes_can_be_read_and_published_from(board, finished, shared):
    runs = finished(0o022, "--seeds", "0")
    disk = shared / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        there = shutil.copytree(runs, disk / "runs")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        where = (board, "--runs-dir", there)
        for user in (0, OTHER):
            assert as_user(user, "status", *where).code == 0
            assert as_user(user, "run", *where, "--dry-run", "--only", "method=mle").code == 0
            assert as_user(user, "publish", *where, "--partial", umask=0).code == 0
            for only in (["--only", "method=mle"], ["--seeds", "0"]):
                assert_one_line(as_user(user, "run", *where, *only), f"{there}: not writable", "--runs-dir")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(("what", "makes_again"), [
    ("stages/base/*/weights.safetensors", "records/tiny/*__mle__s0*"),
    ("stages/base/*/manifest.json", "records/tiny/*__mle__s0*"),
    ("stages/base/*", "records/tiny/*__mle__s0*"),
    ("stages/pair/*/manifest.json", "records/tiny/*__mle__s0*"),
    ("stages", "records/tiny/*__mle__s0*"),
    ("records/tiny/*__mle__s0*", ""),
    ("records/tiny/floor__w2*", ""),
    ("records/tiny", ""),
])  # fmt: skip
def test_what_a_second_user_may_not_read_is_one_line_and_stays_as_it_is(board, finished, what, makes_again):
    runs = finished(0o000, "--seeds", "0")
    for path in runs.glob(makes_again) if makes_again else []:
        path.unlink()
    for path in runs.glob(what):
        path.chmod(0o600 if path.is_file() else 0o700)
    before = files(runs / "stages") | files(runs / "records")
    ended = as_user(OTHER, "run", board, "--runs-dir", runs, "--seeds", "0", umask=0o000)
    assert_one_line(ended, str(runs))
    assert before.items() <= (files(runs / "stages") | files(runs / "records")).items()
    assert not list(runs.rglob("*.damaged-*"))


@pytest.mark.parametrize("what", ["records/tiny/*__mle__s0*", "records", "."])
@pytest.mark.parametrize("verb", ["status", "publish", "run --dry-run"])
def test_records_that_a_second_user_may_not_read_are_one_line(board, finished, what, verb):
    runs = finished(0o022, "--seeds", "0")
    for path in [runs] if what == "." else runs.glob(what):
        path.chmod(0o600 if path.is_file() else 0o700)
    name, *options = verb.split()
    assert_one_line(as_user(OTHER, name, board, "--runs-dir", runs, *options), str(runs), "cannot be read: Permission denied")


@pytest.mark.parametrize(
    "what", ["stages", "stages/sample/*", "stages/sample/*/samples.safetensors", "stages/sample/*/manifest.json"]
)
def test_samples_that_a_second_user_may_not_read_give_no_preview_and_a_line(board, finished, what):
    runs = finished(0o022, "--seeds", "0")
    for path in runs.glob(what):
        path.chmod(0o600 if path.is_file() else 0o700)
    ended = as_user(OTHER, "publish", board, "--runs-dir", runs, "--partial")
    assert ended.code == 0, ended.err
    assert "cannot be read: Permission denied" in ended.err
    assert "Traceback" not in ended.err
    assert (board / "results" / "small__mle__s0.json").exists()


def test_a_board_that_a_second_user_may_not_write_is_one_line(board, finished):
    runs = finished(0o022)
    board.chmod(0o755)
    assert_one_line(as_user(OTHER, "publish", board, "--runs-dir", runs), f"{board}/", "not writable")
