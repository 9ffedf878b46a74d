"""Streams that fail: a lost reader of progress stops nothing, and output that cannot be written is one line."""

import os
import subprocess
import sys
import threading
import time

import pytest

from harness.process import streams

PRINTS = """
import sys
from harness.process import streams
streams.open_closed(); streams.guard_stdout(); streams.guard_stderr()
for number in range(5):
    print("x" * 100_000, file=sys.stderr)
open("file", "w").write("content")
print("\\u00d7 \\udcff")
sys.stdout.flush()
"""


def run(tmp_path, redirect, encoding="utf-8", code=PRINTS):
    """Run code in a shell with this redirection; returns (exit code, stdout, stderr)."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "CODE": code}
    command = f'"{sys.executable}" -c "$CODE" {redirect}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, cwd=tmp_path, timeout=100, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "2> >(head -c 1 > /dev/null)"])
def test_stderr_that_nobody_reads_stops_nothing(tmp_path, redirect):
    assert run(tmp_path, redirect) == (0, "\u00d7 ".encode() + b"\\udcff\n", b"")
    assert (tmp_path / "file").read_text() == "content"  # and no file took its number


def test_characters_that_an_encoding_lacks_are_escapes(tmp_path):
    assert run(tmp_path, "2>/dev/null", "ascii")[:2] == (0, b"\\xd7 \\udcff\n")
    assert run(tmp_path, "2>/dev/null", "latin-1")[:2] == (0, b"\xd7 \\udcff\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_an_error(tmp_path, redirect):
    code, _, errors = run(tmp_path, redirect)
    assert code == 1
    assert b"StdoutFailed" in errors


def test_a_reader_of_stdout_that_leaves_is_no_error(tmp_path):
    code = "from harness.process import streams; streams.guard_stdout()\nfor _ in range(10): print('y' * 100_000)"
    assert run(tmp_path, '| head -c 1; exit "${PIPESTATUS[0]}"', code=code) == (0, b"y", b"")


def read_all(descriptor, length):
    while length:
        length -= len(os.read(descriptor, length))


def test_a_pipe_that_is_full_and_returns_at_once_costs_no_time_of_the_processor():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    raw = streams._Descriptor(writer, None)
    reading = threading.Timer(0.5, read_all, (reader, 200_000))
    reading.start()
    began = time.process_time()
    assert raw.write(b"x" * 200_000) == 200_000
    assert time.process_time() - began < 0.25
    reading.join()
    os.close(reader)
    os.close(writer)
