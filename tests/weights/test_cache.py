"""The cache folder: one place for every kind of file, and hashes that are taken again when a file changes."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.weights import cache
from harness.weights.download import fetch
from harness.weights.local_files import LocalFile
from harness_mnist.files import fashion_folders

FILE = WeightsFile("net.pkl", "https://example.org/net.pkl", "a" * 64)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """A home folder of the test's own, and no variable that names another place."""
    for variable in ("HARNESS_CACHE", "XDG_CACHE_HOME", "HARNESS_OFFLINE", "HARNESS_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def everywhere():
    """The cache folder as prefetch, extractors and datasets see it."""
    extractor = LocalFile("net.pth", source="").folders()[0].parent
    dataset = fashion_folders()[0].parents[1]
    return {cache.folder(), cache.path(FILE).parents[1], extractor, dataset}


@pytest.fixture
def no_home(monkeypatch):
    """A user who has no entry in the system's list, as in a container that was started with --user, and no HOME."""

    def no_entry(_):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", no_entry)


@pytest.mark.usefixtures("no_home")
def test_without_a_home_folder_a_search_goes_on_and_a_download_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert everywhere() == {Path("~/.cache/finetune-harness")}
    (tmp_path / "net.pth").write_bytes(b"")
    assert LocalFile("net.pth", source="", places=("~/.cache/torch", str(tmp_path))).find(where="x") == tmp_path / "net.pth"
    with pytest.raises(UserError, match=r"net.pth is not on this machine; looked for ~/\.cache/finetune-harness/weights"):
        LocalFile("net.pth", source="").find(where="x")
    with pytest.raises(
        UserError, match=r"^no home folder is known, and so no place for downloads: set HARNESS_CACHE to a folder"
    ):
        fetch(FILE)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "own"))
    assert everywhere() == {tmp_path / "own"}
    cache.check_known()
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_without_variables_the_cache_is_in_the_home_folder(tmp_path):
    assert everywhere() == {tmp_path / "home" / ".cache" / "finetune-harness"}


def test_the_users_cache_folder_holds_for_prefetch_extractors_and_datasets_alike(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert everywhere() == {tmp_path / "xdg" / "finetune-harness"}


def test_the_harness_own_variable_goes_before_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "own"))
    assert everywhere() == {tmp_path / "own"}


def test_a_tilde_and_a_relative_path_become_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", "~/models")
    assert everywhere() == {tmp_path / "home" / "models"}
    monkeypatch.setenv("HARNESS_CACHE", "models")
    assert everywhere() == {Path.cwd() / "models"}


def test_an_empty_variable_counts_as_unset(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert everywhere() == {tmp_path / "home" / ".cache" / "finetune-harness"}


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("yes", True), ("", False), ("0", False), ("No", False), ("FALSE", False)]
)
def test_downloads_are_forbidden_by_any_value_that_does_not_say_no(monkeypatch, value, expected):
    monkeypatch.setenv("HARNESS_OFFLINE", value)
    assert cache.is_offline() is expected


def test_the_message_for_a_missing_file_says_all_that_is_needed_to_get_it(tmp_path):
    folder = tmp_path / "home" / ".cache" / "finetune-harness" / "weights"
    assert str(cache.absent(FILE, "not here")) == (
        f"net.pkl: not here. Address: https://example.org/net.pkl; sha256: {'a' * 64}; put the file into {folder}, "
        "or run `harness prefetch BOARD`"
    )
    assert "Address: none known; sha256: not pinned;" in str(cache.absent(WeightsFile("x", "", None), "not here"))


def test_a_file_is_hashed_once_and_again_after_a_change(monkeypatch, tmp_path):
    path, hashed = tmp_path / "file", []
    monkeypatch.setattr(cache, "file_sha256", lambda path: hashed.append(path) or hashlib.sha256(path.read_bytes()).hexdigest())
    path.write_bytes(b"first")
    assert cache.sha256(path) == cache.sha256(path) == hashlib.sha256(b"first").hexdigest()
    assert hashed == [path]
    path.write_bytes(b"other")  # as long as before
    os.utime(path, ns=(0, 1))
    assert cache.sha256(path) == hashlib.sha256(b"other").hexdigest()


def test_the_hash_of_a_diffusers_folder_is_over_settings_and_weights_alone(tmp_path):
    contents = {"config.json": b"{}", "a.safetensors": b"weights", "b.bin": b"more"}
    for name, content in {**contents, "README.md": b"text", "a.txt": b"notes"}.items():
        (tmp_path / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    expected = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    assert cache.sha256(tmp_path) == expected
    (tmp_path / "README.md").write_bytes(b"another text")
    assert cache.sha256(tmp_path) == expected
    (tmp_path / "b.bin").write_bytes(b"changed")
    assert cache.sha256(tmp_path) != expected


def test_a_path_that_cannot_be_read_is_the_users_to_mend(tmp_path):
    with pytest.raises(UserError, match=r"absent\.pkl: cannot be read: No such file"):
        cache.sha256(tmp_path / "absent.pkl")


@pytest.mark.parametrize("path", ["file", "file/cache"])
def test_a_file_in_the_place_of_the_cache_folder_is_named(tmp_path, monkeypatch, path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / path))
    for find in (cache.folder, lambda: cache.path(FILE), fashion_folders, lambda: LocalFile("x", source="").find(where="x")):
        with pytest.raises(UserError, match=rf"HARNESS_CACHE=.*{path}: .*/file is a file; name a folder"):
            find()
