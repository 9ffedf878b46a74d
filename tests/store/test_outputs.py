"""Outputs of stages are made once, appear whole, and are checked when they are found."""

import errno
import hashlib
import json
import os
import shutil
import time
from contextlib import nullcontext

import pytest

from harness.errors import EndsTheRun, UserError
from harness.process.host import is_dead_here
from harness.store import manifests, outputs
from harness.store.files import StorageError, scratch_owner
from harness.store.keys import file_sha256
from harness.store.manifests import MANIFEST
from harness.store.runs_folder import RunsFolder
from harness.store.seal import sealed


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path)


class Make:
    """Writes a file and gives a fact; counts."""

    calls = 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "file").write_text("content" * 100)
        return {"value": 0.1}


def test_an_output_is_made_once(runs):
    make = Make()
    first, second = outputs.once(runs, "s", "k", make), outputs.once(runs, "s", "k", make)
    assert make.calls == 1
    assert (first.facts, first.files, first.folder) == (second.facts, second.files, second.folder)
    assert (first.is_fresh, second.is_fresh) == (True, False)
    assert outputs.find(runs, "s", "k").facts == {"value": 0.1}
    assert outputs.find(runs, "s", "other") is None


@pytest.fixture
def hashed(monkeypatch):
    """The names of files whose content is compared with a hash."""
    names = []
    monkeypatch.setattr(manifests, "file_sha256", lambda path: names.append(path.name) or file_sha256(path))
    return names


def test_an_outdated_output_is_set_aside_and_made_again(runs, caplog):
    folder = outputs.once(runs, "s", "k", Make()).folder
    again = outputs.once(runs, "s", "k", Make(), is_outdated=lambda found: found.facts == {"value": 0.1} and not found.is_fresh)
    assert again.is_fresh
    assert sorted(path.name.split("-")[0] for path in folder.parent.iterdir()) == ["k", "k.replaced"]
    assert not caplog.messages


def test_the_files_of_an_output_that_is_not_outdated_are_read_once(runs, hashed):
    outputs.once(runs, "s", "k", Make())
    hashed.clear()
    assert not outputs.once(runs, "s", "k", Make(), is_outdated=lambda found: found.facts != {"value": 0.1}).is_fresh
    assert hashed == ["file"]


def test_what_nothing_vouches_for_is_asked_nothing_and_kept_where_the_caller_asks_for_it(runs):
    folder = outputs.once(runs, "s", "k", Make()).folder
    age(folder)
    assert not outputs.once(runs, "s", "k", Make(), is_outdated=lambda _: True, keeps_unsealed=True).is_sealed


def test_facts_are_read_without_a_look_at_the_files(runs, hashed):
    folder = outputs.once(runs, "s", "k", Make()).folder
    hashed.clear()
    (folder / "file").unlink()
    assert outputs.find_facts(runs, "s", "k") == outputs.read_facts(folder) == {"value": 0.1}
    assert outputs.find_facts(runs, "s", "other") is None
    assert not hashed


def test_facts_that_nothing_vouches_for_are_not_found(runs):
    folder = outputs.once(runs, "s", "k", Make()).folder
    age(folder)
    assert outputs.find_facts(runs, "s", "k") is None
    assert outputs.read_facts(folder) == {"value": 0.1}
    for content in ("{", "[]"):
        (folder / MANIFEST).write_text(content)
        assert outputs.find_facts(runs, "s", "k") is None
        with pytest.raises(UserError, match=f"^{folder}: no undamaged output of a stage: manifest.json: "):
            outputs.read_facts(folder)


def test_a_folder_is_found_by_a_fact_whatever_its_name(runs):
    def make(value):
        return lambda _: {"value": value}

    for key, value in (("a", 1), ("b", 2), ("c", 3), ("d", 2)):
        outputs.once(runs, "s", key, make(value))
    runs.stage("s", "b").rename(runs.stage("s", "b.replaced-1"))
    for content in ("{", "[]", '{"facts": 3}'):
        (runs.stage("s", "a") / MANIFEST).write_text(content)
        assert outputs.folder_with(runs, "s", "value", 2) == runs.stage("s", "b.replaced-1")
    assert outputs.folder_with(runs, "s", "value", 1) is None
    assert outputs.folder_with(runs, "other", "value", 2) is None


def test_a_failure_is_not_kept(runs):
    def fail(folder):
        (folder / "file").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        outputs.once(runs, "s", "k", fail)
    assert outputs.find(runs, "s", "k") is None
    assert list((runs.root / "stages" / "s").iterdir()) == []
    assert outputs.once(runs, "s", "k", Make()).is_fresh


def change(folder, **fields):
    """Write other fields into a manifest, as valid JSON; None removes a field."""
    content = json.loads((folder / MANIFEST).read_text()) | fields
    (folder / MANIFEST).write_text(json.dumps({name: value for name, value in content.items() if value is not None}, indent=1))


def age(folder):
    """Make the manifest one of an older version, which had neither a number nor a seal."""
    change(folder, sha256=None, schema=None)


DAMAGES = [
    "flip",
    "truncate",
    "remove",
    "manifest",
    "no manifest",
    "a fact",
    "no seal",
    "another key",
    "a folder",
    "a file's hash",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_output_is_set_aside_and_made_again(runs, caplog, damage):
    folder = outputs.once(runs, "s", "k", Make()).folder
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
    elif damage == "no manifest":
        (folder / "manifest.json").unlink()
    elif damage == "a folder":
        (folder / "file").unlink()
        (folder / "file").mkdir()
    elif damage == "another key":
        other = outputs.once(runs, "s", "other", Make()).folder
        shutil.copyfile(other / MANIFEST, folder / MANIFEST)
    else:
        field, value = {"a fact": ("facts", {"value": 0.2}), "no seal": ("sha256", None), "a file's hash": ("files", {})}[damage]
        change(folder, **{field: value})
    assert outputs.find(runs, "s", "k") is None
    assert folder.exists()  # looking changes nothing: another process may be mending it
    make = Make()
    assert outputs.once(runs, "s", "k", make).is_fresh
    assert make.calls == 1
    (message,) = caplog.messages
    assert f"{folder} is damaged" in message
    assert "made again" in message
    assert outputs.find(runs, "s", "k") is not None
    assert sum(".damaged-" in path.name for path in folder.parent.iterdir()) == 1


def test_every_bit_of_a_manifest_counts(runs):
    folder = outputs.once(runs, "s", "k", Make()).folder
    content = bytearray((folder / MANIFEST).read_bytes())
    for position in range(len(content)):
        for bit in (1, 16):
            content[position] ^= bit
            (folder / MANIFEST).write_bytes(content)
            found = outputs.find(runs, "s", "k")
            assert found is None, content.decode(errors="replace")
            content[position] ^= bit


def test_an_output_of_an_older_version_is_made_again_since_nothing_vouches_for_its_facts(runs, caplog):
    folder = outputs.once(runs, "s", "k", Make()).folder
    age(folder)
    assert outputs.find(runs, "s", "k") is None
    assert outputs.once(runs, "s", "k", Make()).is_fresh
    (message,) = caplog.messages
    assert message.startswith(f"{folder} has no checksum (an older version made it); set aside as k.replaced-")
    assert message.endswith("made again")


def test_an_output_of_an_older_version_is_kept_and_marked_where_the_caller_asks_for_it(runs, caplog):
    folder = outputs.once(runs, "s", "k", Make(), keeps_unsealed=True).folder
    age(folder)
    make = Make()
    kept = outputs.once(runs, "s", "k", make, keeps_unsealed=True)
    assert (make.calls, kept.is_sealed, kept.facts, kept.stage) == (0, False, {"value": 0.1}, "s")
    assert not outputs.read(folder).is_sealed
    assert not caplog.messages
    (folder / "file").write_text("other")  # the hashes of the files stood in old manifests, too
    assert outputs.once(runs, "s", "k", make, keeps_unsealed=True).is_sealed
    assert make.calls == 1


def test_a_manifest_of_a_newer_harness_is_no_damage(runs):
    folder = outputs.once(runs, "s", "k", Make()).folder
    content = json.loads((folder / MANIFEST).read_text())
    del content["sha256"]
    (folder / MANIFEST).write_text(sealed(content | {"schema": 3}))
    with pytest.raises(EndsTheRun, match=r"manifest\.json: written by a newer harness \(schema 3, known: 2\); upgrade"):
        outputs.once(runs, "s", "k", Make())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_what_the_system_refuses_is_no_damage(runs, monkeypatch, caplog, number):
    folder = outputs.once(runs, "s", "k", Make()).folder

    def refuse(path):
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(manifests, "file_sha256", refuse)
        with pytest.raises(StorageError, match=f"^{folder}/file: cannot be read: {os.strerror(number)}; ") as caught:
            outputs.once(runs, "s", "k", Make())
    assert "\n" not in str(caught.value)
    assert os.listdir(folder.parent) == ["k"]
    assert not caplog.messages
    assert not outputs.once(runs, "s", "k", Make()).is_fresh


def test_a_killed_maker_leaves_a_whole_output_or_none(runs, kill_everywhere):
    def check():
        # `find` verifies the checksums.
        assert outputs.find(runs, "s", "k") is not None or not runs.stage("s", "k").exists()

    assert kill_everywhere(lambda: outputs.once(runs, "s", "k", Make()), check) >= 5
    left = [path.name for path in (runs.root / "stages" / "s").iterdir() if path.name != "k"]
    assert all(is_dead_here(str(scratch_owner(name))) for name in left)  # for the next run to remove


@pytest.mark.parametrize(("resumes", "takes", "is_synced"), [(False, 0, False), (False, 9, True), (True, 0, True)])
def test_what_took_long_is_synced_before_it_appears(runs, monkeypatch, resumes, takes, is_synced):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    clock = iter([100.0, 100.0 + takes])
    monkeypatch.setattr("harness.store.files.time.monotonic", lambda: next(clock, 200.0))
    monkeypatch.setattr("harness.store.outputs.lease", lambda *_, **__: nullcontext())  # it looks at the clock too
    outputs.once(runs, "s", "k", Make(), resumes=resumes)
    names = sorted(os.path.basename(path) for path in synced)
    names = [".k" if scratch_owner(name) else name for name in names]
    assert names == ([".k", "file", "manifest.json", "s"] if is_synced else [])


def test_processes_that_want_the_same_at_once_make_it_once(runs):
    def make(folder):
        with open(runs.root / "calls", "a") as calls:
            calls.write(f"{os.getpid()}\n")
        time.sleep(0.1)
        return {"pid": os.getpid()}

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                outputs.once(runs, "s", "k", make)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    (maker,) = (runs.root / "calls").read_text().split()
    assert outputs.find(runs, "s", "k").facts == {"pid": int(maker)}


def test_facts_come_back_as_they_were(runs):
    facts = {"x": 0.1 + 0.2, "none": None, "list": [1, 2.5, "é"], "nested": {"a": {}}}
    outputs.once(runs, "s", "k", lambda _: facts)
    assert outputs.find(runs, "s", "k").facts == facts
    assert json.loads((runs.stage("s", "k") / "manifest.json").read_text())["key"] == "k"


def test_an_output_is_read_from_its_folder_alone(runs):
    made = outputs.once(runs, "s", "k", Make())
    found = outputs.read(made.folder)
    assert (found.folder, found.facts, found.files, found.is_fresh) == (made.folder, made.facts, made.files, False)


def test_a_folder_without_an_undamaged_output_is_the_users_to_mend(runs, tmp_path):
    with pytest.raises(UserError, match=r"elsewhere: no undamaged output of a stage: .*No such file"):
        outputs.read(tmp_path / "elsewhere")
    folder = outputs.once(runs, "s", "k", Make()).folder
    (folder / "file").write_text("other")
    with pytest.raises(UserError, match="no undamaged output of a stage: file does not match its checksum"):
        outputs.read(folder)


def test_the_manifest_names_stage_key_facts_and_hashes(runs):
    folder = outputs.once(runs, "s", "k", Make()).folder
    sha256 = hashlib.sha256(b"content" * 100).hexdigest()
    opening, seal, rest = (folder / MANIFEST).read_text().split("\n", 2)
    assert rest == (
        ' "schema": 2,\n "stage": "s",\n "key": "k",\n "facts": {\n  "value": 0.1\n },\n'
        f' "files": {{\n  "file": "{sha256}"\n }}\n}}\n'
    )
    assert (opening, seal) == ("{", f' "sha256": "{hashlib.sha256(f"{chr(10)}{rest}".encode()).hexdigest()}",')


def test_a_full_disk_at_the_manifest_keeps_nothing(runs, monkeypatch):
    def refuse(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(manifests, "file_sha256", refuse)
    with pytest.raises(StorageError, match="no room left"):
        outputs.once(runs, "s", "k", Make())
    assert os.listdir(runs.root / "stages" / "s") == []
