"""Files that users bring along: where they are searched, in which order, and what a missing one says."""

import hashlib
from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.weights.local_files import LocalFile

CONTENT = b"weights of some network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = LocalFile("net.pth", source="https://example.org/net.pth", variable="NET_PATH", places=("$HUB_HOME/nets", "~/nets"))


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("NET_PATH", "HUB_HOME"):
        monkeypatch.delenv(variable, raising=False)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return path


def test_the_search_goes_through_the_variable_the_cache_and_the_other_places_in_this_order(monkeypatch, tmp_path):
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "hub"))
    for path in ("home/nets/net.pth", "hub/nets/net.pth", "cache/weights/net.pth"):  # the last of the search comes first
        write(tmp_path / path)
        assert FILE.find(where="test") == tmp_path / path
    monkeypatch.setenv("NET_PATH", str(write(tmp_path / "elsewhere.pth")))
    assert FILE.find(where="test") == tmp_path / "elsewhere.pth"


def test_a_place_whose_variable_is_not_set_is_not_searched(monkeypatch, tmp_path):
    assert FILE.folders() == [tmp_path / "cache" / "weights", tmp_path / "home" / "nets"]
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "hub"))
    assert FILE.folders()[1] == tmp_path / "hub" / "nets"


def test_a_file_may_have_a_folder_of_its_own_in_the_cache(tmp_path):
    path = write(tmp_path / "cache" / "data" / "images.npz")
    assert LocalFile("images.npz", source="", folder="data").find(where="test") == path


def test_a_missing_file_is_named_with_all_places_its_source_and_what_to_do(tmp_path):
    with pytest.raises(UserError) as caught:
        FILE.find(where="extractor net")
    cached, other = tmp_path / "cache" / "weights", tmp_path / "home" / "nets"
    assert str(caught.value) == (
        f"extractor net: net.pth is not on this machine; looked for {cached / 'net.pth'}, {other / 'net.pth'}. "
        f"Get it from https://example.org/net.pth (sha256 not pinned), put it into {cached}, or set NET_PATH to its path"
    )


def test_a_folder_of_that_name_is_no_file(tmp_path):
    (tmp_path / "cache" / "weights" / "net.pth").mkdir(parents=True)
    with pytest.raises(UserError, match="is not on this machine"):
        FILE.find(where="test")


def test_a_variable_that_names_no_file_is_an_error_even_where_the_cache_has_it(monkeypatch, tmp_path):
    write(tmp_path / "cache" / "weights" / "net.pth")
    monkeypatch.setenv("NET_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"^test: \$NET_PATH names .*nowhere, which is no file"):
        FILE.find(where="test")


@pytest.mark.parametrize("pinned", [None, SHA256[:8], SHA256])
def test_a_pinned_hash_or_its_first_digits_are_verified(tmp_path, pinned):
    path = write(tmp_path / "cache" / "weights" / "net.pth")
    assert LocalFile("net.pth", source="", sha256=pinned).verified(where="test") == (path, SHA256)


@pytest.mark.parametrize(("pinned", "shown"), [("0" * 64, "0" * 64), ("12345678", "12345678…")])
def test_another_hash_than_the_pinned_one_is_refused(tmp_path, pinned, shown):
    path = write(tmp_path / "cache" / "weights" / "net.pth")
    with pytest.raises(UserError) as caught:
        LocalFile("net.pth", source="the web", sha256=pinned).verified(where="test")
    assert str(caught.value) == f"test: {path} has sha256 {SHA256}, not {shown}; get it again from the web"


def test_a_file_that_can_run_code_is_read_once_and_needs_a_whole_hash(tmp_path):
    write(tmp_path / "cache" / "weights" / "net.pth")
    assert replace(FILE, sha256=SHA256).verified_content(where="test") == (CONTENT, SHA256)
    with pytest.raises(UserError, match=f"test: .*net.pth has sha256 {SHA256}, not {'0' * 64}; get it again from https://"):
        replace(FILE, sha256="0" * 64).verified_content(where="test")
    for part in (None, SHA256[:8]):
        with pytest.raises(ValueError, match="its whole sha256 must be pinned"):
            replace(FILE, sha256=part).verified_content(where="test")
