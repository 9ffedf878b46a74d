"""`harness report`: a folder of web pages, or a server while a run goes on."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.fixture
def published(filled):
    """A shell with a board whose records and page are published."""
    assert filled("publish", "leaderboards/small").returncode == 0
    return filled


def test_a_site_is_written_and_named(published):
    done = published("report", "leaderboards/small", "-o", "site")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "wrote site: 1 board, 8 pages; open site/index.html\n"


def test_a_board_that_is_named_twice_is_shown_once(published):
    done = published("report", "leaderboards/small", "leaderboards/../leaderboards/small/", "-o", "site")
    assert done.stdout == "wrote site: 1 board, 8 pages; open site/index.html\n"


def test_the_records_of_a_runs_folder_have_a_site_before_they_are_published(filled):
    done = filled("report", "leaderboards/small", "--runs", "-o", "site")
    assert done.returncode == 0
    assert "harness run leaderboards/small" in (filled.folder.parents[1] / "site/small/index.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give a folder with -o, or --serve"),
        (("--serve", "-o", "site"), "--serve writes no folder: leave -o out"),
        (("-o", "leaderboards"), "leaderboards: holds files that are no site of `harness report`"),
    ],
)
def test_wrong_options_are_one_line(shell, options, message):
    done = shell("report", "leaderboards/small", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")


def test_a_server_shows_the_runs_folder_and_ctrl_c_ends_it(filled):
    command = [sys.executable, "-m", "harness", "report", "leaderboards/small", "--serve", "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    try:
        line = process.stdout.readline()
        address = line.removeprefix("serving ").partition(" ")[0]
        assert line == f"serving {address} to this machine; Ctrl-C ends it\n"
        with urllib.request.urlopen(f"{address}small/") as answer:
            assert b"Running now" in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "")
        assert err.splitlines()[-1] == "ended"
        assert "Traceback" not in err
    finally:
        process.kill()
        process.wait()
