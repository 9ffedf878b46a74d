import json
import os
import time
from contextlib import nullcontext

import pytest

from harness.store import outputs
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def layout(tmp_path):
    return RunsFolder(tmp_path)


class Make:
    """Writes a file and gives a fact; counts."""

    calls = 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "file").write_text("content" * 100)
        return {"value": 0.1}


def test_an_output_is_made_once(layout):
    make = Make()
    first, second = outputs.once(layout, "s", "k", make), outputs.once(layout, "s", "k", make)
    assert make.calls == 1
    assert (first.facts, first.files, first.folder) == (second.facts, second.files, second.folder)
    assert (first.is_fresh, second.is_fresh) == (True, False)
    assert outputs.find(layout, "s", "k").facts == {"value": 0.1}
    assert outputs.find(layout, "s", "other") is None


def test_a_failure_is_not_kept(layout):
    def fail(folder):
        (folder / "file").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        outputs.once(layout, "s", "k", fail)
    assert outputs.find(layout, "s", "k") is None
    assert list((layout.root / "stages" / "s").iterdir()) == []
    assert outputs.once(layout, "s", "k", Make()).is_fresh


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest", "no manifest"])
def test_a_damaged_output_is_set_aside_and_made_again(layout, caplog, damage):
    folder = outputs.once(layout, "s", "k", Make()).folder
    if damage == "flip":
        content = bytearray((folder / "file").read_bytes())
        content[3] ^= 4
        (folder / "file").write_bytes(content)
    elif damage == "truncate":
        (folder / "file").write_text("conte")
    elif damage == "remove":
        (folder / "file").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        (folder / "manifest.json").unlink()
    assert outputs.find(layout, "s", "k") is None
    assert folder.exists()  # looking changes nothing: another process may be mending it
    make = Make()
    assert outputs.once(layout, "s", "k", make).is_fresh
    assert make.calls == 1
    (message,) = caplog.messages
    assert f"{folder} is damaged" in message
    assert "made again" in message
    assert outputs.find(layout, "s", "k") is not None
    assert sum(".damaged-" in path.name for path in folder.parent.iterdir()) == 1


def test_a_killed_maker_leaves_a_whole_output_or_none(layout, kill_everywhere):
    def check():
        # `find` verifies the checksums.
        assert outputs.find(layout, "s", "k") is not None or not layout.stage("s", "k").exists()

    assert kill_everywhere(lambda: outputs.once(layout, "s", "k", Make()), check) >= 5
    assert [path.name for path in (layout.root / "stages" / "s").iterdir()] == ["k"]


@pytest.mark.parametrize(("resumes", "takes", "is_synced"), [(False, 0, False), (False, 9, True), (True, 0, True)])
def test_what_took_long_is_synced_before_it_appears(layout, monkeypatch, resumes, takes, is_synced):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    clock = iter([100.0, 100.0 + takes])
    monkeypatch.setattr("harness.store.files.time.monotonic", lambda: next(clock, 200.0))
    monkeypatch.setattr("harness.store.outputs.lease", lambda *_, **__: nullcontext())  # it looks at the clock too
    outputs.once(layout, "s", "k", Make(), resumes=resumes)
    names = sorted(os.path.basename(path) for path in synced)
    assert names == ([".k.part", "file", "manifest.json", "s"] if is_synced else [])


def test_processes_that_want_the_same_at_once_make_it_once(layout):
    def make(folder):
        with open(layout.root / "calls", "a") as calls:
            calls.write(f"{os.getpid()}\n")
        time.sleep(0.1)
        return {"pid": os.getpid()}

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                outputs.once(layout, "s", "k", make)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    (maker,) = (layout.root / "calls").read_text().split()
    assert outputs.find(layout, "s", "k").facts == {"pid": int(maker)}


def test_facts_come_back_as_they_were(layout):
    facts = {"x": 0.1 + 0.2, "none": None, "list": [1, 2.5, "é"], "nested": {"a": {}}}
    outputs.once(layout, "s", "k", lambda _: facts)
    assert outputs.find(layout, "s", "k").facts == facts
    assert json.loads((layout.stage("s", "k") / "manifest.json").read_text())["key"] == "k"
