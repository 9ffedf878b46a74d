"""What tests of processes share."""

import subprocess
import sys

import pytest

from harness.process import stop


@pytest.fixture(autouse=True)
def _no_stop_request():
    stop.clear()
    yield
    stop.clear()


@pytest.fixture
def python():
    """Start another Python with some code, whose output can be read while it runs; it is killed at the end of the test."""
    started = []

    def start(code, *arguments):
        command = [sys.executable, "-u", "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
