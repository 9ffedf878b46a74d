"""Changed and hostile pickles in a process of little memory: read or refused, and nothing else happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_changed_opcodes_are_read_or_refused_in_little_memory_without_running_anything():
    script = Path(__file__).with_name("fuzz_pickles.py")
    run = subprocess.run([sys.executable, str(script), "--cases", "1000"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    read, refused = map(int, re.findall(r"\d+", run.stdout))
    assert read + refused == 1000
    assert read > 20
    assert refused > 300
