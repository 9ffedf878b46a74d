"""Freed memory is kept: counted in page faults, which are the same on every machine, and not in seconds."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import mmap, resource, sys
import torch
from harness.process import memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

kept = memory.keep_freed() if "keep" in sys.argv else False
torch.ones(64 * 2**20 // 4)
before = faults()
for _ in range(10):
    torch.ones(64 * 2**20 // 4)
print(kept, (faults() - before) * mmap.PAGESIZE / 2**20)
if "release" in sys.argv:
    memory.release()
    before = faults()
    torch.ones(64 * 2**20 // 4)
    print((faults() - before) * mmap.PAGESIZE / 2**20)
"""


def measured(*arguments, **variables):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD"))}
    command = [sys.executable, "-c", FAULTS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**own, **variables}).stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_large_tensors_do_not_fault_again():
    kept, megabytes = measured("keep")
    if kept != "True":
        pytest.skip("no glibc")
    assert float(megabytes) < 200  # of ten tensors of 64 MB; the heap may grow once more
    assert float(measured()[1]) > 600


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_released_memory_faults_anew():
    kept, _, again = measured("keep", "release")
    if kept != "True":
        pytest.skip("no glibc")
    assert float(again) > 50


def test_settings_of_the_environment_stay():
    assert measured("keep", MALLOC_ARENA_MAX="4")[0] == "False"
