"""`harness` in a process of its own, whose jobs run in that process: `search_in_process.py ARGUMENTS`. Tests kill it."""

from __future__ import annotations

import pytest
from in_process import run_in_this_process

from harness.cli import main

if __name__ == "__main__":
    run_in_this_process(pytest.MonkeyPatch())
    main()
