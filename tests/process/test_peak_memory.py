"""The peak of a cell's memory is that cell's: what was freed before does not count, and what is freed within does."""

import resource
import sys
from pathlib import Path

import pytest
import torch

from harness.process.peak_memory import PeakMemory

MEASURE = """
import torch
from harness.process.peak_memory import PeakMemory

def megabytes(peak):
    return peak.read() / 2**20

torch.ones(200 * 2**20 // 4)  # freed before, and the highest of all
first = PeakMemory("cpu")
empty = megabytes(first)
torch.ones(100 * 2**20 // 4)  # freed within
print(empty, megabytes(first), megabytes(PeakMemory("cpu")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the peak is that of the whole process")
def test_the_peak_is_of_what_ran_since_it_was_made(python):
    out, err = python(MEASURE).communicate(timeout=120)
    assert out, err
    empty, within, afterwards = map(float, out.split())
    assert 95 < within - empty < 150
    assert abs(afterwards - empty) < 30  # neither of the two large tensors


def test_without_proc_the_peak_is_that_of_the_process(monkeypatch):

    def refuse(self, *arguments, **options):
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    peak = PeakMemory("cpu").read()
    assert peak == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_on_cuda_the_peak_is_of_the_devices_allocator(monkeypatch):
    allocator = {"peak": 7_000}
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: allocator.update(peak=0))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: allocator["peak"])
    peak = PeakMemory("cuda")
    assert peak.read() == 0  # what was allocated before does not count
    allocator["peak"] = 300
    assert peak.read() == 300
