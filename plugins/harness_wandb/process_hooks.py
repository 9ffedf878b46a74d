"""Undo the changes that wandb makes to its process when it starts: others must find the process as it was before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVICE = "WANDB_SERVICE"
"""Variable with the address of the process that writes files and uploads; wandb sets it for children."""


@contextmanager
def hooks_kept() -> Iterator[None]:
    """Put back what wandb replaces for good in the block: `sys.exit`, `sys.excepthook` and the variable `WANDB_SERVICE`.

    Only what is wandb's is put back: another thread may have set a hook of its own meanwhile. wandb's replacement of `sys.exit`
    cannot be pickled, and no executor could send it to a worker. Its hooks note the exit code of the process for the end of its
    service, which then counts as 0: the status of a run comes from the summary. wandb's function for the end of the process
    (`atexit`) stays.
    """
    leave, excepthook, service = sys.exit, sys.excepthook, os.environ.get(SERVICE)
    try:
        yield
    finally:
        if _is_of_wandb(sys.exit):
            sys.exit = leave
        if _is_of_wandb(sys.excepthook):
            sys.excepthook = excepthook
        if service is None:
            os.environ.pop(SERVICE, None)
        else:
            os.environ[SERVICE] = service


def _is_of_wandb(function: object) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "wandb"
