"""A manifest says whose folder it is; all of it is vouched for, and old ones are known as such. See also test_outputs.py."""

import json

import pytest

from harness.store.files import Damage
from harness.store.manifests import MANIFEST, read_manifest, write_manifest
from harness.store.seal import sealed

NAMES = frozenset({"of"})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "file").write_text("content")
    write_manifest(tmp_path, {"of": "me"})
    return tmp_path


def test_a_manifest_comes_back_as_it_was(folder):
    manifest = read_manifest(folder, NAMES)
    assert (manifest.fields["of"], list(manifest.files), manifest.is_sealed) == ("me", ["file"], True)


def test_a_manifest_without_a_seal_is_an_old_one_only_if_it_has_the_old_fields(folder):
    content = json.loads((folder / MANIFEST).read_text())
    old = {"of": "me", "files": content["files"]}
    (folder / MANIFEST).write_text(json.dumps(old))
    assert not read_manifest(folder, NAMES).is_sealed
    (folder / MANIFEST).write_text(json.dumps(old | {"sha256": "0" * 64}))
    with pytest.raises(Damage, match=r"manifest\.json: its checksum does not match what the file holds"):
        read_manifest(folder, NAMES)
    for wrong in (old | {"schema": 2}, {"files": old["files"]}, [], 1, None):
        (folder / MANIFEST).write_text(json.dumps(wrong))
        with pytest.raises(Damage, match=r"manifest\.json: not a whole manifest"):
            read_manifest(folder, NAMES)
    (folder / MANIFEST).write_text(json.dumps(old | {"files": 3}))
    with pytest.raises(Damage, match="no hashes of files"):
        read_manifest(folder, NAMES)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_damage(folder, content):
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(Damage):
        read_manifest(folder, NAMES)


@pytest.mark.parametrize(
    "fields", [{"schema": "2"}, {"schema": None}, {"files": 3}, {"files": {"../file": "0"}}, {"files": {"/etc/passwd": "0"}}]
)
def test_fields_that_the_harness_never_writes_are_damage_even_under_a_seal(folder, fields):
    content = json.loads((folder / MANIFEST).read_text()) | fields
    del content["sha256"]
    (folder / MANIFEST).write_text(sealed(content))
    with pytest.raises(Damage, match=r"no number of its format|no hashes of files|is no name of a file in its folder"):
        read_manifest(folder, NAMES)
