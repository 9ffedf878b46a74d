"""The command `harness`."""

from harness.cli.app import main

__all__ = ["main"]
