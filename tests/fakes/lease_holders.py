"""Processes that hold leases, on this host or as if on another one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from harness.process.host import VARIABLE
from harness.store.lease import lease


class Holders:
    """Starts processes that hold leases, and ends them."""

    def __init__(self) -> None:
        self.children: list[int] = []

    def start(self, path: Path, host: str | None = None) -> int:
        """Start a process that holds the lease, and wait until it does. Returns: its id. host: None is this one."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if host is not None:
                    os.environ[VARIABLE] = host
                with lease(path, wait=False):
                    os.write(writing, b"!")
                    time.sleep(60)
            finally:
                os._exit(0)
        self.children.append(child)
        assert os.read(reading, 1) == b"!"
        os.close(reading)
        os.close(writing)
        return child

    def end(self) -> None:
        """Kill those that live."""
        for child in self.children:
            try:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):  # a test has killed it
                continue
