"""Hashes of first downloads: written down once, compared with ever after."""

import hashlib

import pytest

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.weights import cache, found_hashes
from harness.weights.base_files import BaseFile

FILE = WeightsFile("w.bin", "https://example.org/w.bin")
SHA = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The file, in an empty cache."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    path = cache.place(FILE)
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def test_a_first_hash_is_kept_and_a_second_does_not_replace_it(here):
    assert found_hashes.found(FILE) is None
    assert (found_hashes.keep(FILE, here).sha256, found_hashes.found(FILE).bytes) == (SHA, 7)
    here.write_bytes(b"other weights")
    assert found_hashes.keep(FILE, here).sha256 == SHA


def test_a_published_hash_is_not_written_down(here):
    assert found_hashes.keep(WeightsFile("w.bin", FILE.address, SHA), here) is None
    assert not found_hashes.note(FILE).exists()


def test_a_file_that_changed_since_its_first_download_is_refused(here):
    found_hashes.keep(FILE, here)
    found_hashes.check(FILE, here)
    here.write_bytes(b"other weights")
    with pytest.raises(UserError, match=f"the first download, on .*, gave {SHA}.*delete .*w.bin.json"):
        found_hashes.check(FILE, here)


def test_a_base_is_compared_with_the_first_download_where_nothing_is_pinned(here):
    found_hashes.keep(FILE, here)
    here.write_bytes(b"other weights")
    with pytest.raises(UserError, match="the first download"):
        BaseFile(here, "", None, FILE).check()
    other = hashlib.sha256(b"other weights").hexdigest()
    BaseFile(here, "", other, FILE).check()  # the board pins what is here


def test_a_file_from_another_address_has_no_first_hash(here):
    found_hashes.keep(FILE, here)
    assert found_hashes.found(WeightsFile("w.bin", "https://example.org/second.bin")) is None


def test_a_damaged_note_is_named(here):
    found_hashes.keep(FILE, here)
    found_hashes.note(FILE).write_text("{")
    with pytest.raises(UserError, match=r"w\.bin\.json: cannot be read"):
        found_hashes.found(FILE)
