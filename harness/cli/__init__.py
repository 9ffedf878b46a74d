"""The command `harness`. Each subcommand has its own file and imports no other; helpers have files of their own."""

from harness.cli.app import main

__all__ = ["main"]
