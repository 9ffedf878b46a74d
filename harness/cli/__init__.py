"""The command `harness`: one file a command; commands import no commands."""

from harness.cli.app import main

__all__ = ["main"]
