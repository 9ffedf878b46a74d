"""Tell the plugins that listen what a run does. A listener that fails is shown once in a run, whichever process it fails in."""

from __future__ import annotations

from contextlib import suppress

from harness.plugins import registry
from harness.store.runs_folder import RunsFolder

SUFFIX = ".failed-listener"
"""The ending of the marks that say that a listener's failure was shown."""


def begin(runs: RunsFolder) -> None:
    """Forget which failures earlier runs have shown. The process of the command calls this once, before it starts workers."""
    for mark in runs.workers.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            mark.unlink()


def tell(runs: RunsFolder, hook: str, **arguments: object) -> None:
    """Call a listen hook of every plugin, with these arguments and `runs`, the path of the runs folder."""
    registry().listen(hook, lambda plugin: is_first(runs, f"{plugin}-{hook}"), runs=runs.root, **arguments)


def was_shown(runs: RunsFolder, failure: str) -> bool:
    """Return whether a process of the run has shown this failure."""
    return (runs.workers / f"{failure}{SUFFIX}").exists()


def is_first(runs: RunsFolder, failure: str) -> bool:
    """Mark that a failure is shown. Returns: False when another process of the run has shown it.

    Args:
        failure: what failed, as a part of a file's name.
    """
    try:
        runs.workers.mkdir(parents=True, exist_ok=True)
        (runs.workers / f"{failure}{SUFFIX}").touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # a folder that takes no mark hides no failure
        return True
    return True
