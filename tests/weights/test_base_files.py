"""Files of a base: what keys hold of them, and what an absent or another file says, with the board's line."""

import hashlib

import pytest

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.presets import WeightsFile
from harness.weights.base_files import BaseFile, BaseWeights

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LINE = "board.yaml:7"


@pytest.fixture
def path(tmp_path):
    """A file that is there."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(CONTENT)
    return path


def message(file):
    with pytest.raises(UserError) as caught:
        file.check()
    return str(caught.value)


@pytest.mark.parametrize("pinned", [None, SHA256])
def test_a_file_that_is_there_with_its_hash_is_fine(path, pinned):
    file = BaseFile(path, "", pinned)
    file.check()
    assert file.known_sha256 == SHA256


def test_another_hash_than_the_pinned_one_is_named_with_the_boards_line(path):
    file = BaseFile(path, "", "0" * 64, where=LINE)
    assert message(file) == f"{LINE}: {path}: has sha256 {SHA256}, and the board or its preset says {'0' * 64}"
    file.check_there()  # whether it is there is another question
    assert file.known_sha256 == "0" * 64  # so a key does not depend on what stands in its place


def test_an_absent_file_of_the_boards_own_says_where_to_put_it_and_what_stands_nearby(path):
    absent = path.with_name("nett.safetensors")
    text = message(BaseFile(absent, "", None, where=LINE))
    assert text.startswith(f"{LINE}: no file of weights is at {absent}; did you mean 'net.safetensors'? put it there, or give")
    assert f"put it, of sha256 {SHA256}, there" in message(BaseFile(absent, "", SHA256))


def test_an_absent_folder_is_named(tmp_path):
    text = message(BaseFile(tmp_path / "weights" / "net.pt", "", None))
    assert f"; the folder {tmp_path / 'weights'} is absent; put it there" in text


def test_an_absent_published_file_says_how_it_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    published = WeightsFile("net.pkl", "https://example.org/net.pkl", SHA256)
    text = message(BaseFile(tmp_path / "weights" / "net.pkl", "", SHA256, published, LINE))
    assert text.startswith(
        f"{LINE}: net.pkl: not here. Address: https://example.org/net.pkl; sha256: {SHA256}; put the file into"
    )


def test_what_is_neither_pinned_nor_there_has_no_hash(tmp_path):
    assert BaseFile(tmp_path / "absent", "", None).known_sha256 is None


def test_the_identity_of_a_base_holds_parts_and_hashes_and_no_paths(path, tmp_path):
    moved = tmp_path / "elsewhere.bin"
    moved.write_bytes(CONTENT)
    for main in (path, moved):
        weights = BaseWeights((BaseFile(main, "", None), BaseFile(tmp_path / "absent", "vae", "a" * 64)))
        assert weights.identity == [{"part": "", "sha256": SHA256}, {"part": "vae", "sha256": "a" * 64}]


def test_a_table_that_the_board_names_is_part_of_the_identity(path):
    assert BaseFile(path, "", None, table="ema").identity == {"part": "", "sha256": SHA256, "table": "ema"}


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (DataSpec((3, 32, 32)), "net generates data of shape (3, 32, 32), and the dataset faces has (3, 8, 8)"),
        (DataSpec((3, 8, 8), classes=3), "net has 3 classes, and the dataset faces has 10"),
        (DataSpec((3, 8, 8)), None),
        (DataSpec((3, 8, 8), classes=10), None),
        (None, None),
    ],
)
def test_a_preset_of_other_data_says_why_it_cannot_be_used(spec, fault):
    assert BaseWeights((), "net", spec).data_fault(LABELLED, "faces") == fault


LABELLED = DataSpec((3, 8, 8), classes=10, preview="images")


def test_a_preset_without_labels_ignores_those_of_the_data():
    weights = BaseWeights((), "net", DataSpec((3, 8, 8), classes=0))
    assert weights.spec_on(LABELLED) == DataSpec((3, 8, 8), 0, "images")


@pytest.mark.parametrize("spec", [None, DataSpec((3, 8, 8), classes=10)])
def test_other_networks_generate_what_the_data_holds(spec):
    assert BaseWeights((), spec=spec).spec_on(LABELLED) == LABELLED
