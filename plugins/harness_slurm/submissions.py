"""The submissions of a runs folder: a folder for each, with a plan that says which jobs it has, and submitit's files.

A plan is written before its jobs are submitted, and again with their ids. So whoever comes after a command that died finds all
jobs that it queued, and none is queued twice.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import psutil

from harness.interfaces import Job
from harness.store.files import StorageError, storage, write_text
from harness.store.runs_folder import PROBE

PLAN = "plan.json"
KEPT_SECONDS = 7 * 24 * 3600.0
"""How long the files of a submission stay after its last job has ended: they hold what the jobs printed."""
SUBMITTING_SECONDS = 600.0
"""A plan without ids that is older has lost its command, on whatever machine that was."""

RESULT_BYTES = 64 * 2**10
"""More than a job leaves when it ends: its result and the last lines of what it prints."""


@dataclass(frozen=True)
class Submission:
    """The jobs that were submitted at once.

    Args:
        folder: of the plan and of submitit's files.
        keys: the key of each job: see `harness.interfaces.Job`; its name where it has none.
        ids: the id of each job in the queue; None before they are known.
        host, pid, started: the process that submits them: the host's name, and when the process started, in seconds since 1970.
    """

    folder: Path
    keys: tuple[str, ...]
    ids: tuple[str, ...] | None
    host: str
    pid: int
    started: float

    @classmethod
    def planned(cls, root: Path, jobs: Sequence[Job]) -> Submission:
        """Write the plan of a submission, before the first of its jobs is submitted."""
        process = psutil.Process()
        keys = tuple(key_of(job) for job in jobs)
        submission = cls(root / uuid4().hex, keys, None, socket.gethostname(), process.pid, process.create_time())
        submission._write()
        return submission

    def submitted(self, ids: Sequence[str]) -> Submission:
        """Return the submission with the ids of its jobs, after the plan says them."""
        submission = replace(self, ids=tuple(ids))
        submission._write()
        return submission

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fields = {"keys": self.keys, "ids": self.ids, "host": self.host, "pid": self.pid, "started": self.started}
        write_text(self.folder / PLAN, json.dumps(fields))

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody is submitting its jobs any more, although their ids are unknown."""
        if self.ids is not None:
            return False
        if self.host == socket.gethostname():
            with suppress(psutil.Error):
                return abs(psutil.Process(self.pid).create_time() - self.started) > 1.0
            return True
        return _age(self.folder / PLAN) > SUBMITTING_SECONDS

    def remove(self) -> None:
        """Remove all its files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def key_of(job: Job) -> str:
    """Return the key of a job, or its name where it has no key."""
    return job.key or job.name


def found(root: Path) -> Iterator[Submission]:
    """Give the submissions of a folder. A plan that cannot be read is left alone."""
    for plan in sorted(root.glob(f"*/{PLAN}")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            fields = json.loads(plan.read_text())
            ids = None if fields["ids"] is None else tuple(map(str, fields["ids"]))
            yield Submission(
                plan.parent, tuple(map(str, fields["keys"])), ids, fields["host"], int(fields["pid"]), float(fields["started"])
            )


def remove_old(submission: Submission) -> None:
    """Remove the files of a submission whose jobs have all ended, unless they are recent."""
    with suppress(OSError):
        newest = max((entry.stat().st_mtime for entry in os.scandir(submission.folder)), default=0.0)
        if _now(submission.folder.parent) - newest > KEPT_SECONDS:
            submission.remove()


def result_of(folder: Path, job_id: str) -> tuple[str, object] | None:
    """Return what submitit's worker has written at the end of a job: ("success", `Answer`) or ("error", traceback).

    Returns: None where there is no such file yet. Raises: ValueError where its content cannot be read.
    """
    from submitit.core.utils import JobPaths

    path = JobPaths(folder, job_id=job_id).result_pickle
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        outcome, value = pickle.loads(content)
    except Exception as error:  # whatever a plugin's classes do when they are read
        raise ValueError(f"what it returned cannot be read: {error}") from error
    return str(outcome), value


def disk_fault(folder: Path) -> str:
    """Return why the disk takes no more of what jobs leave in a folder, with the remedy; "" where it does."""
    probe = folder / f"{PROBE}{uuid4().hex}"
    try:
        with storage(folder), probe.open("wb") as file:
            file.write(bytes(RESULT_BYTES))
            file.flush()
            os.fsync(file.fileno())  # a quota may not speak before
    except StorageError as error:
        return str(error)
    finally:
        probe.unlink(missing_ok=True)
    return ""


def log_of(folder: Path, job_id: str) -> Path:
    """Return the file with what a job has written to stderr."""
    return folder / f"{job_id}_0_log.err"


def _age(path: Path) -> float:
    return _now(path.parent) - path.stat().st_mtime


def _now(folder: Path) -> float:
    """Return the time of the folder's own clock, which is the file server's: that of this machine may be another."""
    mark = folder / f".now-{uuid4().hex}"
    try:
        mark.touch()
        return mark.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        mark.unlink(missing_ok=True)
