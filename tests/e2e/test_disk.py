"""Disks that refuse: one clear message, no traceback, and the next run goes on."""

import errno
import os
import resource
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

import in_process
import pytest

in_this_process = in_process.in_this_process
CELLS = ("--only", "method=mle", "--seeds", "0", "--checkpoint-seconds", "0.05")


@pytest.fixture
def mount(tmp_path):
    """Mount a small file system, where that is allowed."""
    mounted = []

    def do(*options):
        folder = tmp_path / "disk"
        folder.mkdir(exist_ok=True)
        line = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(line, capture_output=True, check=False).returncode != 0:
            pytest.skip("needs the right to mount")
        mounted.append(folder)
        return folder

    yield do
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=False)


def assert_refused(ended, *words):
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert all(word in errors[0] for word in words), errors[0]
    assert ended.stdout == ""


def test_a_folder_below_a_file(command, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    command.runs = tmp_path / "file" / "runs"
    assert_refused(command.run(*CELLS), str(tmp_path / "file"), "a file stands where a folder must be")


@pytest.mark.parametrize(("metric", "size"), [("precision", "150k"), ("fid", "60k")])
def test_a_disk_that_is_too_small_for_features(mount, tmp_path, metric, size):
    runs = mount(f"size={size}") / "runs"
    line = [sys.executable, "-m", "harness", "measure", "digits@0", "--reference", "digits@1", "--images", "448"]
    line += ["--extractor", "digits-cnn", "--metrics", metric, "--runs-dir", str(runs)]
    assert_refused(subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path), str(runs), "no room left")


def test_a_read_only_folder(command, mount):
    command.runs = mount("ro") / "runs"
    assert_refused(command.run(*CELLS), str(command.runs), "not writable", "--runs-dir")


def test_a_full_disk(command, undisturbed, mount):
    disk = mount("size=48k")
    command.runs = disk / "runs"
    ended = command.run(*CELLS)
    assert_refused(ended, "no room left", "finished work is kept")
    assert not list(command.runs.glob("records/*/small__*"))
    subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
    assert_result(command, undisturbed)


OTHER_EXECUTORS = {
    "dask": ("--executor", "dask"),
    "ray": ("--executor", "ray"),
    "slurm": ("--executor", "slurm", "--set", "slurm.cluster=local", "--set", "slurm.poll_seconds=0.2"),
}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("executor", OTHER_EXECUTORS)
def test_a_disk_that_somebody_fills_while_a_job_of_another_executor_runs(command, undisturbed, mount, wait, executor):
    if find_spec({"dask": "distributed", "slurm": "submitit"}.get(executor, executor)) is None:  # Ray sets hooks when imported
        pytest.skip(f"needs the extra [{executor}]")
    disk = mount("size=1m")
    command.runs = disk / "runs"
    run = command.start(*CELLS, *OTHER_EXECUTORS[executor])
    assert wait(lambda: list(command.runs.glob("work/finetune-*")), run)
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(512)):
            pass
    out, err = run.communicate(timeout=600)
    ended = subprocess.CompletedProcess(run.args, run.returncode, out, err)
    assert_refused(ended, "no room left", "finished work is kept")
    assert not list(command.runs.glob("records/*/small__*"))
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
    assert_result(command, undisturbed, *OTHER_EXECUTORS[executor])


def test_a_limit_on_the_size_of_files(command, undisturbed):
    # The same for who may not mount: the system refuses all but small files.
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    assert_refused(command.run(*CELLS, preexec_fn=limit), "no room left", "finished work is kept")
    assert_result(command, undisturbed)


@pytest.mark.usefixtures("in_this_process")
def test_a_file_system_without_locks_and_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    board = in_process.write_board(tmp_path / "tiny")
    for call in ("fcntl.flock", "fcntl.lockf", "os.link"):
        monkeypatch.setattr(call, refuse)
    assert in_process.command("run", board, "--runs-dir", tmp_path / "runs").code == 0
    assert not list(tmp_path.glob("runs/leases/*"))


def assert_result(command, undisturbed, *options):
    ended = command.run(*CELLS, *options)
    assert ended.returncode == 0, ended.stderr
    expected = undisturbed.command.results()
    assert command.results() == {name: expected[name] for name in command.results()}
