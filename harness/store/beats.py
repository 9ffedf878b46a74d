"""How often processes tell and ask whether they live. All of it follows from one length of time, that of a beat."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

import psutil

from harness.process import host

BEAT_SECONDS = 15.0
"""Seconds between two heartbeats of a process that works in a folder."""
VARIABLE = "HARNESS_BEAT_SECONDS"
"""The environment variable that gives another number of seconds. All processes that share a folder must have the same."""
LOOKS = 4
"""How often another host must find a heartbeat unchanged, each time a beat or more after the last, to hold its owner for dead."""
LOCAL_PROGRESS_SECONDS = 0.5
"""The least time between two writes of a process's progress in a folder of one host."""
_NETWORKS = {
    "9p", "afs", "beegfs", "beegfs_nodev", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
}  # fmt: skip
"""Types of file systems that several hosts can write. All of FUSE counts too."""


def beat_seconds() -> float:
    """Return the length of a beat in seconds: $HARNESS_BEAT_SECONDS where it is a number above 0, else BEAT_SECONDS."""
    try:
        seconds = float(os.environ.get(VARIABLE, ""))
    except ValueError:
        return BEAT_SECONDS
    return seconds if 0 < seconds < math.inf else BEAT_SECONDS


def progress_seconds(folder: Path) -> float:
    """Return the least time between two writes of a process's progress below a folder: short where no other host can see it."""
    return beat_seconds() if is_shared(folder) else LOCAL_PROGRESS_SECONDS


def is_shared(folder: Path) -> bool:
    """Return whether other hosts may see a folder: by the type of its file system, or because $HARNESS_HOST says that this is one
    of several hosts."""
    return bool(os.environ.get(host.VARIABLE)) or _is_on_network(str(folder))


@cache
def _is_on_network(folder: str) -> bool:
    path, found, kind = os.path.realpath(folder), "", ""
    for partition in psutil.disk_partitions(all=True):
        point = partition.mountpoint
        if len(point) >= len(found) and (path == point or path.startswith(point.rstrip("/") + "/")):
            found, kind = point, partition.fstype
    return kind in _NETWORKS or kind.startswith("fuse")
