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
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt * mmap.PAGESIZE / 2**20

kept = memory.keep_freed() if "keep" in sys.argv else False
torch.ones(64 * 2**20 // 4)
before = faults()
for _ in range(10):
    torch.ones(64 * 2**20 // 4)
again = faults() - before
memory.release()
before = faults()
torch.ones(64 * 2**20 // 4)
print(kept, again, faults() - before)
"""


def measured(*arguments):
    """Whether freed memory is kept, megabytes of page faults of ten tensors of 64 MB, and of one after `release`."""
    own = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    command = [sys.executable, "-c", FAULTS, *arguments]
    kept, *megabytes = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()
    return kept == "True", *map(float, megabytes)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_large_tensors_do_not_fault_again_until_memory_is_released():
    is_kept, again, released = measured("keep")
    if not is_kept:
        pytest.skip("no glibc")
    assert again < 200  # the heap may grow once more
    assert released > 50
    _, again, _ = measured()
    assert again > 600


@pytest.mark.parametrize("variable", ["MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_settings_of_the_environment_stay(variable):
    code = "from harness.process import memory; print(memory.keep_freed())"
    environment = {**os.environ, variable: "4"}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout == "False\n"
