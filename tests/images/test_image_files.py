"""Folders and archives of images: their order, what is ignored, and what is refused before any network runs."""

import io
import os
import zipfile

import numpy as np
import pytest
import torch
from image_sets import image_set
from PIL import Image

from harness import UserError
from harness.images import image_files
from harness.images.fingerprint import fingerprint

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


def all_of(images, size=3):
    return torch.cat(list(images.batches(size)))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_folder_is_read_in_the_order_of_its_names(folder, size):
    (folder / "notes.txt").write_text("")
    (folder / ".hidden.png").write_text("")
    found = image_files.folder(folder)
    images = found.as_set()
    assert (images.n, images.shape, found.ignored, found.form) == (7, (3, 5, 4), 2, "PNG")
    assert torch.equal(all_of(images, size), EXPECTED)


def test_an_archive_is_read_as_the_folder_would_be(folder, tmp_path):
    contents = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.png")}
    others = {"dataset.json": "{}", "__MACOSX/0/._0.png": "x"}
    path = zipped(tmp_path / "x.zip", {**contents, **others}, compression=zipfile.ZIP_DEFLATED)
    images = image_files.archive(path).as_set()
    assert torch.equal(all_of(images), EXPECTED)
    assert fingerprint(images) == fingerprint(image_files.folder(folder).as_set()) == fingerprint(image_set(EXPECTED))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1/5.png", png(PIXELS[0][:4]), r"1/5\.png is a colour PNG of 4x4, but 0/0\.png is a colour PNG of 4x5"),
        ("1/5.png", png(PIXELS[0][..., 0]), r"1/5\.png is a grey PNG of 4x5, but 0/0\.png is a colour PNG of 4x5"),
        ("1/5.png", png(PIXELS[0], "JPEG"), r"1/5\.png is a colour JPEG of 4x5, but 0/0\.png is a colour PNG"),
        ("1/9.jpg", png(PIXELS[0], "JPEG"), r"1/9\.jpg is a JPEG, but 0/0\.png is a PNG"),
        ("1/5.png", png(PIXELS[0])[:60], r"1/5\.png: damaged, or no image"),
        ("0/0.png", b"", r"0/0\.png: damaged, or no image"),
    ],
)
def test_the_first_file_that_differs_or_is_damaged_is_named_in_folders_and_archives(folder, tmp_path, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        fingerprint(image_files.folder(folder).as_set())
    path = zipped(tmp_path / "x.zip", {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*")})
    with pytest.raises(UserError, match=message):
        fingerprint(image_files.archive(path).as_set())


def test_nothing_to_measure_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.txt").write_text("")
    with pytest.raises(UserError, match=r"empty: no image in it; suffixes of images: \.png"):
        image_files.folder(tmp_path / "empty")
    with pytest.raises(UserError, match=r"x\.zip: no image in it"):
        image_files.archive(zipped(tmp_path / "x.zip", {"x.txt": ""}))


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "C:/../x.png", "a\\..\\..\\x.png", "../x.txt"])
def test_an_archive_whose_names_lead_out_of_it_is_refused(tmp_path, name):
    path = zipped(tmp_path / "x.zip", {"ok.png": png(PIXELS[0]), name: png(PIXELS[0])})
    with pytest.raises(UserError, match=r"x\.zip: .* leads out of the archive"):
        image_files.archive(path)


def test_a_decompression_bomb_is_refused_by_its_own_directory(tmp_path):
    path = zipped(tmp_path / "x.zip", {"ok.png": png(PIXELS[0]), "z.png": bytes(4 * 2**20)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"z\.png unpacks from .* to 4,194,304 bytes, as no image does"):
        image_files.archive(path)


def test_a_png_that_is_a_bomb_of_pixels_is_refused_by_its_header(folder):
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (folder / "0" / "0.png").write_bytes(bomb)
    with pytest.raises(UserError, match=r"0\.png: .*(declares 60000x60000|exceeds limit)"):
        image_files.folder(folder).as_set()


def test_a_damaged_or_encrypted_archive_is_named(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.png": png(PIXELS[0])})
    whole = path.read_bytes()
    place = whole.index(b"IDAT") + 8
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    with pytest.raises(UserError, match=r"x\.zip/a\.png: damaged inside the archive"):
        image_files.archive(path).as_set()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"x\.zip: cannot be read as a zip archive"):
        image_files.archive(path)
    marked = bytearray(whole)
    marked[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(marked))
    with pytest.raises(UserError, match=r"a\.png is encrypted"):
        image_files.archive(path)


def test_a_link_to_a_folder_is_counted_and_not_followed(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "9.png").write_bytes(png(PIXELS[0]))
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "linked.png").symlink_to(folder / "0" / "0.png")  # a link to a file is a file
    found = image_files.folder(folder)
    assert (found.links, len(found.names)) == (1, 8)
    assert found.names[-1] == "linked.png"
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "train").symlink_to(folder)
    with pytest.raises(UserError, match=r"no image in it; .*; 1 links to folders are not followed: name the folder that a link"):
        image_files.folder(tmp_path / "links")


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "0" / "00.png")
    with pytest.raises(UserError, match=r"00\.png: is no file, but a pipe or a device; remove it"):
        fingerprint(image_files.folder(folder).as_set())


def test_an_image_that_vanishes_after_the_listing_is_named(folder):
    images = image_files.folder(folder).as_set()
    (folder / "1" / "5.png").unlink()
    with pytest.raises(UserError, match=r"1/5\.png: cannot be read: No such file or directory"):
        fingerprint(images)


def test_suffixes_in_capitals_and_both_spellings_of_jpeg_are_one_format(tmp_path):
    for name in ("a.JPG", "b.jpeg", "c.jpg"):
        (tmp_path / name).write_bytes(png(PIXELS[0], "JPEG"))
    found = image_files.folder(tmp_path)
    assert (found.names, found.form) == (("a.JPG", "b.jpeg", "c.jpg"), "JPEG")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_holds_a_name_twice_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", png(PIXELS[0]))
        archive.writestr("a.png", png(PIXELS[1]))
    with pytest.raises(UserError, match=r"x\.zip: holds a\.png twice; write the archive again, each image once"):
        image_files.archive(path)


def test_folders_inside_an_archive_are_not_counted_as_files(tmp_path):
    found = image_files.archive(zipped(tmp_path / "x.zip", {"0/": "", "0/a.png": png(PIXELS[0]), "notes.txt": ""}))
    assert (found.names, found.ignored) == (("0/a.png",), 1)


def test_a_small_image_may_pack_well_and_a_large_one_may_not_be_too_large(tmp_path, monkeypatch):
    flat = np.zeros((512, 512, 3), np.uint8)
    path = zipped(tmp_path / "x.zip", {"a.bmp": png(flat, "BMP")}, compression=zipfile.ZIP_DEFLATED)
    (member,) = zipfile.ZipFile(path).infolist()
    assert member.file_size > image_files.LARGEST_RATIO * member.compress_size
    assert image_files.archive(path).as_set().shape == (3, 512, 512)
    monkeypatch.setattr(image_files, "LARGEST_FILE", member.file_size - 1)
    with pytest.raises(UserError, match=r"a\.bmp unpacks from .* to 786,486 bytes"):
        image_files.archive(path)


def test_the_archive_is_open_only_while_it_is_read(folder, tmp_path):
    path = zipped(tmp_path / "x.zip", {f"{index}.png": png(image) for index, image in enumerate(PIXELS)})
    images = image_files.archive(path).as_set()
    moved = path.rename(tmp_path / "moved.zip")
    with pytest.raises(FileNotFoundError):
        next(images.batches(1))
    moved.rename(path)
    assert torch.equal(all_of(images), EXPECTED)
