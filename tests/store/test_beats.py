"""How often processes tell that they live, and where other hosts can see it."""

from pathlib import Path

import pytest

from harness.store import beats
from harness.store.beats import BEAT_SECONDS, LOCAL_PROGRESS_SECONDS, beat_seconds, is_shared, progress_seconds


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("60", 60.0)])
def test_a_variable_sets_the_beat(monkeypatch, text, seconds):
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", text)
    assert beat_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf"])
def test_what_is_no_length_of_time_leaves_the_default(monkeypatch, text):
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", text)
    assert beat_seconds() == BEAT_SECONDS


def partition(mountpoint, fstype):
    return type("Partition", (), {"mountpoint": mountpoint, "fstype": fstype})


@pytest.mark.parametrize(
    ("folder", "shared"),
    [("/home/x/runs", True), ("/homely/runs", False), ("/", False), ("/home/x/disk/runs", False), ("/mnt/sshfs", True)],
)
def test_the_file_system_says_whether_other_hosts_share_a_folder(monkeypatch, folder, shared):
    partitions = [("/", "ext4"), ("/home", "nfs4"), ("/home/x/disk", "xfs"), ("/mnt/sshfs", "fuse.sshfs")]
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: [partition(*each) for each in partitions])
    monkeypatch.delenv("HARNESS_HOST", raising=False)
    beats._is_on_network.cache_clear()
    try:
        assert is_shared(Path(folder)) == shared
        assert progress_seconds(Path(folder)) == (BEAT_SECONDS if shared else LOCAL_PROGRESS_SECONDS)
    finally:
        beats._is_on_network.cache_clear()
