"""Processes of a run, as the operating system lists them."""

from __future__ import annotations

import psutil


def servers_of(command: psutil.Process) -> list[psutil.Process]:
    """List the fork servers among the children of a run's process; multiprocessing has another child, its tracker.

    A child that ends while it is asked for its command line is none.
    """
    return [child for child in command.children() if _is_server(child)]


def _is_server(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False
