"""Packs are hostile input: names, sizes and hashes are checked, and nothing is written outside of a temporary folder."""

import io
import json
import zipfile

import pytest
from in_process import command

from harness.errors import UserError
from harness.submission import archive
from harness.submission.archive import read_pack
from harness.submission.manifest import manifest_text
from harness.submission.pack import zipped

FILES = {"manifest.json": b"{}", "board.yaml": b"title: x", "results/a__b__s0.json": b"{}"}


@pytest.fixture
def write(tmp_path):
    def write(files, **changes):
        path = tmp_path / "pack.zip"
        path.write_bytes(zipped({**FILES, **files}))
        return path

    return write


def test_a_pack_is_read_into_memory(write):
    assert read_pack(write({})) == FILES


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json", "results/../../evil.json", "/etc/evil.json", "results\\..\\evil.json", "C:/evil.json", "evil.py",
        "results/sub/a.json", "results/.hidden.json", "results/a.pkl", "./board.yaml", "results/a\n.json",
    ],
)  # fmt: skip
def test_names_that_no_pack_has_are_refused(write, name):
    with pytest.raises(UserError, match=r"leads out of the archive|which no pack holds|holds board.yaml twice"):
        read_pack(write({name: b"x"}))


def test_a_name_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("board.yaml", "title: a")
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("board.yaml", "title: b")
    with pytest.raises(UserError, match=r"holds board\.yaml twice"):
        read_pack(path)


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_is(write, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_FILE", 1000)
    with pytest.raises(UserError, match=r"holds results/a\.json of 2,000 bytes, which is more than is read"):
        read_pack(write({"results/a.json": b"0" * 2000}))
    monkeypatch.setattr(archive, "LARGEST_FILE", 10_000)
    monkeypatch.setattr(archive, "LARGEST_PACK", 1000)
    with pytest.raises(UserError, match="holds more than 1,000 bytes"):
        read_pack(write({"results/a.json": b"0" * 2000}))


def test_a_member_that_lies_about_its_size_is_refused(write):
    path = write({"results/a.json": b"0" * 2000})
    size, lie = (2000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, lie))
    with pytest.raises(UserError, match=r"pack\.zip"):
        read_pack(path)


def test_too_many_files_are_refused(write, monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    with pytest.raises(UserError, match="holds 3 files; a pack has 2 at most"):
        read_pack(write({}))


@pytest.mark.parametrize("content", [b"", b"no archive", zipped({"board.yaml": b""})])
def test_what_is_no_pack_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "pack.zip"
    path.write_bytes(content)
    done = command("verify", path)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("error: ")


def test_an_encrypted_or_cut_archive_is_refused(write):
    path = write({})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="cannot be read as a zip archive"):
        read_pack(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"results/new.json": b"{}"}, "hashes: results/new.json: is not in the manifest"),
        ({"environment.json": None}, "hashes: environment.json: is in the manifest, and not in the pack"),
        ({"board.yaml": b"title: other\n"}, "hashes: board.yaml: its content is not what the manifest says"),
        ({"manifest.json": b"{}"}, "manifest: manifest.json: not a whole manifest"),
    ],
)
def test_a_pack_whose_files_are_not_those_of_its_manifest_is_contradicted(repack, change, expected):
    done = command("verify", repack(**change))
    assert done.code == 1
    assert f"contradicted   {expected}" in done.out.splitlines()


@pytest.mark.parametrize("name", ["../up", "a/b", "a\\b", "", ".", "..", ".a", "a\n", "\u202ea", "x" * 201])
def test_the_name_of_the_board_is_no_path(repack, name):
    text = manifest_text("tiny", "0", {})
    body = {key: value for key, value in json.loads(text).items() if key != "sha256"}
    from harness.store.seal import sealed

    done = command("verify", repack(**{"manifest.json": sealed({**body, "board": name}).encode()}))
    assert done.code == 1
    assert "contradicted   manifest: manifest.json: " in done.out


def test_the_bytes_of_a_pack_depend_on_its_content_alone(pack, here, monkeypatch):
    first = pack.read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert command("submit", "tiny", "-o", "again.zip").code == 0
    assert (here / "again.zip").read_bytes() == first
    with zipfile.ZipFile(io.BytesIO(first)) as members:
        names = members.namelist()
        packages = json.loads(members.read("environment.json"))["packages"]
    assert names == sorted(names)
    assert {"manifest.json", "board.yaml", "results/small__mle__s0.json", "results/small__mle__s0.log.jsonl"} <= set(names)
    assert "torch" in packages


def test_a_board_without_records_cannot_be_submitted(here):
    for file in (here / "tiny" / "results").iterdir():
        file.unlink()
    done = command("submit", "tiny")
    assert (done.code, done.err) == (2, "error: tiny: has no published records; run `harness publish tiny` first\n")


def test_a_board_that_cannot_be_read_here_is_said_and_its_hashes_are_confirmed(here):
    text = (here / "tiny" / "board.yaml").read_text()
    files = {"board.yaml": text.replace("name: ddo", "name: no-such-method").encode()}
    path = here / "pack.zip"
    path.write_bytes(zipped({**files, "manifest.json": manifest_text("tiny", "0", files).encode()}))
    done = command("verify", path)
    assert done.code == 0
    assert "confirmed      hashes: 1 files are as the manifest says" in done.out
    assert "not confirmed  board: cannot be read here: tiny/board.yaml:" in done.out
    assert str(here) not in done.out
