"""Logs of jobs hold all that a worker prints, at the usual place too; nothing that befalls the file reaches the job."""

import logging
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from harness.store import job_log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "job.log"


def worker(path, code):
    """Run code as a job of a worker."""
    text = f"""\
import logging, os, sys
from pathlib import Path
from harness.process import worker
from harness.store import job_log
worker._has_begun, worker._job_id = True, "4711_3"
logging.basicConfig(level=logging.INFO, format="%(message)s")
print("before")
with job_log.kept(Path({str(path)!r})) as log:
{textwrap.indent(textwrap.dedent(code), "    ")}
print("after")
"""
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=120)


def test_a_workers_log_has_what_anybody_prints(path):
    ended = worker(
        path,
        """
        print("printed")
        logging.info("logged")
        os.write(2, b"of a library\\n")
        os.system("echo of a child")
        log.end("finished")
        """,
    )
    assert (ended.returncode, ended.stdout.splitlines()) == (0, ["before", "printed", "of a child", "after"])
    assert ended.stderr.splitlines() == ["logged", "of a library"]
    head, *lines, end = path.read_text().splitlines()
    assert head.startswith("=== 2")
    assert head.endswith(", job 4711_3")
    assert all(word in "\n".join(lines) for word in ("logged", "of a child", "of a library", "printed"))
    assert end.startswith("=== finished after ")


def test_a_child_that_stays_does_not_hold_the_job(path):
    ended = worker(path, "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)")
    assert ended.returncode == 0
    _, child, _ = ended.stdout.splitlines()
    os.kill(int(child), signal.SIGKILL)
    assert child in path.read_text().split()


def test_a_log_that_cannot_be_written_stops_nothing(path):
    path.mkdir(parents=True)
    ended = worker(path, "print('printed')")
    assert (ended.returncode, ended.stdout.split()) == (0, ["before", "printed", "after"])


def test_a_log_has_a_largest_size_and_an_earlier_one_is_put_aside(path):
    ended = worker(path, "job_log.LARGEST_BEFORE = 0; log._room = 20\nprint('x' * 1000, flush=True)")
    assert len(ended.stdout) > 1000
    text = path.read_text()
    assert "x" * 20 in text
    assert "x" * 21 not in text
    assert "the log is full" in text
    worker(path, "job_log.LARGEST_BEFORE = 0\nprint('next')")
    assert "next" in path.read_text()
    assert "the log is full" in path.with_name("job.log.old").read_text()


def test_a_process_with_other_work_gives_messages_and_notes_alone(path):
    with job_log.kept(path) as log:
        sys.stdout.write("of the process")
        logging.getLogger("x").warning("logged")
        job_log.note("a traceback\n")
        log.end("failed")
    job_log.note("nobody's")
    job_log.append(path, "its process died")
    lines = path.read_text().splitlines()
    assert lines[1:3] == ["logged", "a traceback"]
    assert lines[-1] == "=== its process died"
    assert len(lines) == 5


def test_without_a_word_there_is_no_file(path):
    with job_log.kept(path) as log:
        assert not log.is_begun
    assert not path.exists()
    with job_log.kept(None):
        os.write(2, b"")
