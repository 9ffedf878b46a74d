"""Results as tables of pandas: the records of boards and of runs folders, and their curves. docs/results.md describes them."""

from harness.results.frames import read, read_curves

__all__ = ["read", "read_curves"]
