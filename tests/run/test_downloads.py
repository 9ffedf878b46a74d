"""Absent files of weights, and their sizes: known ones, and those of networks in 16 or 32 bits."""

from types import SimpleNamespace

import pytest

from harness.presets import WeightsFile
from harness.run.downloads import Downloads, downloads

TOKENIZER = WeightsFile("vae.pth", part="tokenizer", size_bytes=400)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


def base(*files):
    return SimpleNamespace(origin=SimpleNamespace(files=[SimpleNamespace(published=file) for file in files]))


def test_a_file_of_unknown_size_holds_the_rest_of_the_network_and_shared_files_count_once(weights):
    bases = [base(WeightsFile("d16.pth"), TOKENIZER), base(WeightsFile("d16-ddo.pth"), TOKENIZER), base(None)]
    # 1,000 bytes of float32, of which 400 are the tokenizer's.
    assert downloads(bases, lambda _: 1000) == Downloads(3, 300 + 400 + 300, 600 + 400 + 600)


def test_a_part_of_unknown_size_is_counted_with_its_network(weights):
    assert downloads([base(WeightsFile("net.pth"), WeightsFile("vae.ckpt", part="tokenizer"))], lambda _: 1000) == (
        Downloads(2, 500, 1000)
    )


def test_files_that_are_here_are_not_fetched_and_unknown_networks_have_no_size(weights):
    (weights / "d16.pth").touch()
    assert downloads([base(WeightsFile("d16.pth"))], lambda _: 1000) == Downloads()
    assert downloads([base(WeightsFile("d20.pth"))], lambda _: None) == Downloads(1, 0, 0)
