"""Folders and archives of images: their order, what is ignored, and what is refused before any network runs."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from harness import UserError
from harness.images import files
from harness.images.fingerprint import fingerprint
from harness.images.sets import ImageSet

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
EXPECTED = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


def png(array, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Seven images in two folders, in the order of their names."""
    path = tmp_path / "images"
    for index, image in enumerate(PIXELS):
        file = path / f"{index // 4}" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(image))
    return path


def zipped(path, contents, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def all_of(images: ImageSet, size=3):
    return torch.cat(list(images.batches(size)))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_folder_is_read_in_the_order_of_its_names(folder, size):
    (folder / "notes.txt").write_text("")
    (folder / ".hidden.png").write_text("")
    found = files.folder(folder)
    images = found.as_set()
    assert (images.n, images.shape, found.ignored, found.form) == (7, (3, 5, 4), 2, "PNG")
    assert torch.equal(all_of(images, size), EXPECTED)


def test_an_archive_is_read_as_the_folder_would_be(folder, tmp_path):
    contents = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.png")}
    others = {"dataset.json": "{}", "__MACOSX/0/._0.png": "x"}
    path = zipped(tmp_path / "x.zip", {**contents, **others}, compression=zipfile.ZIP_DEFLATED)
    images = files.archive(path).as_set()
    assert torch.equal(all_of(images), EXPECTED)
    assert fingerprint(images) == fingerprint(files.folder(folder).as_set()) == fingerprint(ImageSet.of_bytes("x", EXPECTED))


def test_a_fingerprint_is_of_pixels_and_their_order():
    whole = fingerprint(ImageSet.of_bytes("x", EXPECTED))
    assert whole != fingerprint(ImageSet.of_bytes("x", EXPECTED.flip(0)))
    assert whole != fingerprint(ImageSet.of_bytes("x", EXPECTED.transpose(2, 3)))
    with pytest.raises(ValueError, match="8 images were announced, and 7 came"):
        fingerprint(ImageSet("x", 8, (3, 5, 4), ImageSet.of_bytes("x", EXPECTED).batches))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("1/5.png", png(PIXELS[0][:4]), r"1/5\.png is a colour PNG of 4x4, but 0/0\.png is a colour PNG of 4x5"),
        ("1/5.png", png(PIXELS[0][..., 0]), r"1/5\.png is a grey PNG of 4x5, but 0/0\.png is a colour PNG of 4x5"),
        ("1/5.png", png(PIXELS[0], "JPEG"), r"1/5\.png is a colour JPEG of 4x5, but 0/0\.png is a colour PNG"),
        ("1/9.jpg", png(PIXELS[0], "JPEG"), r"1/9\.jpg is a JPEG, but 0/0\.png is a PNG"),
        ("1/5.png", png(PIXELS[0])[:60], r"1/5\.png: damaged, or no image"),
        ("0/0.png", b"", r"0/0\.png: damaged, or no image"),
    ],
)
def test_the_first_file_that_differs_or_is_damaged_is_named_in_folders_and_archives(folder, tmp_path, name, content, said):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        fingerprint(files.folder(folder).as_set())
    path = zipped(tmp_path / "x.zip", {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*")})
    with pytest.raises(UserError, match=said):
        fingerprint(files.archive(path).as_set())


def test_nothing_to_measure_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.txt").write_text("")
    with pytest.raises(UserError, match=r"empty: no image in it; suffixes of images: \.png"):
        files.folder(tmp_path / "empty")
    with pytest.raises(UserError, match=r"x\.zip: no image in it"):
        files.archive(zipped(tmp_path / "x.zip", {"x.txt": ""}))


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "a\\..\\..\\x.png", "../x.txt"])
def test_an_archive_whose_names_lead_out_of_it_is_refused(tmp_path, name):
    path = zipped(tmp_path / "x.zip", {"ok.png": png(PIXELS[0]), name: png(PIXELS[0])})
    with pytest.raises(UserError, match=r"x\.zip: .* leads out of the archive"):
        files.archive(path)


def test_a_decompression_bomb_is_refused_by_its_own_directory(tmp_path):
    path = zipped(tmp_path / "x.zip", {"ok.png": png(PIXELS[0]), "z.png": bytes(4 * 2**20)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"z\.png unpacks from .* to 4,194,304 bytes, as no image does"):
        files.archive(path)


def test_a_png_that_is_a_bomb_of_pixels_is_refused_by_its_header(folder):
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (folder / "0" / "0.png").write_bytes(bomb)
    with pytest.raises(UserError, match=r"0\.png: .*(declares 60000x60000|exceeds limit)"):
        files.folder(folder).as_set()


def test_a_damaged_or_encrypted_archive_is_named(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.png": png(PIXELS[0])})
    whole = path.read_bytes()
    place = whole.index(b"IDAT") + 8
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(UserError, match=r"x\.zip/a\.png: damaged inside the archive"):
        files.archive(path).as_set()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"x\.zip: cannot be read as a zip archive"):
        files.archive(path)
    marked = bytearray(whole)
    marked[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(marked))
    with pytest.raises(UserError, match=r"a\.png is encrypted"):
        files.archive(path)
