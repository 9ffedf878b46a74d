"""The memory that forks share with their server: the kernel gathers it in huge pages, where it can."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness_local import shared_pages

GATHERS = """
import gc
from pathlib import Path
from harness_local import shared_pages

def huge_kilobytes():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))

kept = [bytes(1000) for _ in range(40_000)]
before = huge_kilobytes()
shared_pages.arrange()
print(huge_kilobytes() - before, gc.get_freeze_count() > 0, len(kept), set(map(len, kept)))
"""


def test_only_the_heap_and_memory_without_a_file_are_gathered():
    matches = shared_pages.PRIVATE_MEMORY.match
    assert matches("55d0a0000000-55d0a0400000 rw-p 00000000 00:00 0                          [heap]")
    assert matches("7f2d06b00000-7f2d07300000 rw-p 00000000 00:00 0 ")
    assert not matches("7ffd0b190000-7ffd0b1b2000 rw-p 00000000 00:00 0                          [stack]")
    assert not matches("7f2d06b00000-7f2d07300000 r--p 00000000 00:00 0 ")
    assert not matches("7f2d06b00000-7f2d07300000 rw-s 00000000 00:01 2048                       /dev/zero (deleted)")
    assert not matches("7f2d06b00000-7f2d07300000 rw-p 00200000 fe:00 181222 /usr/lib/libtorch.so")


def test_addresses_are_those_of_whole_huge_pages(tmp_path, monkeypatch):
    size = shared_pages.HUGE_PAGE_BYTES
    maps = tmp_path / "maps"
    maps.write_text(
        f"{size - 4096:x}-{4 * size - 4096:x} rw-p 00000000 00:00 0 \n{8 * size:x}-{9 * size:x} rw-p 00000000 00:00 0 \n"
        f"{20 * size + 4096:x}-{22 * size - 4096:x} rw-p 00000000 00:00 0 \n"
    )
    monkeypatch.setattr(shared_pages, "MAPS", maps)
    assert list(shared_pages._huge_page_addresses()) == [size, 2 * size, 8 * size]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux gathers pages")
def test_memory_that_is_in_use_is_gathered_and_stays_what_it_is():
    if not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
        pytest.skip("this kernel has no huge pages")
    out = subprocess.run([sys.executable, "-c", GATHERS], capture_output=True, text=True, check=True).stdout.split()
    assert int(out[0]) > 10_000, "kilobytes in huge pages, of 40 MB"
    assert out[1:] == ["True", "40000", "{1000}"]
