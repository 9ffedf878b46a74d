"""Zip archives as other tools write them, and archives of which a part is damaged."""

import random
import zipfile

import numpy as np
import pytest
from PIL import Image

from harness import UserError
from harness.images import arrays
from harness.images.fingerprint import fingerprint
from harness.images.image_files import archive, folder
from harness.images.zip_archives import plain_name

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.fixture
def images(tmp_path):
    """A folder of three images, and their files by name."""
    path = tmp_path / "images" / "a"
    path.mkdir(parents=True)
    for index, image in enumerate(PIXELS):
        Image.fromarray(image).save(path / f"{index}é.png")
    return path.parent


def written(path, names, contents, *, compression=zipfile.ZIP_STORED, is_utf8=True):
    """Write an archive whose names are exactly these, with or without the flag that says that they are in UTF-8."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for index, (name, content) in enumerate(zip(names, contents, strict=True)):
            file.writestr(chr(65 + index) * len(name.encode()), content)
    whole = path.read_bytes()
    for index, name in enumerate(names):
        whole = whole.replace(bytes([65 + index]) * len(name.encode()), name.encode())
    if is_utf8:
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            parts = whole.split(mark)
            whole = mark.join(
                [parts[0], *(part[: place - 4] + bytes([part[place - 4], 8]) + part[place - 2 :] for part in parts[1:])]
            )
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize(
    "name", ["/a/{}é.png", "./a/{}é.png", "a//{}é.png", "C:\\a\\{}é.png", "a\\{}é.png", "C:/a/./{}é.png", "a/{}é.png"]
)
@pytest.mark.parametrize("is_utf8", [True, False])
def test_names_of_other_tools_are_the_names_of_the_folder(images, tmp_path, name, is_utf8):
    contents = [file.read_bytes() for file in sorted(images.rglob("*.png"))]
    path = written(tmp_path / "x.zip", [name.format(index) for index in range(3)], contents, is_utf8=is_utf8)
    found = archive(path)
    assert found.names == folder(images).names
    assert fingerprint(found.as_set()) == fingerprint(folder(images).as_set())


def test_a_name_in_another_encoding_keeps_the_letters_of_the_format():
    member = zipfile.ZipInfo("x")
    member.filename = b"\x81ber.png".decode("cp437")
    assert plain_name(member, where="x") == "über.png"


@pytest.mark.parametrize("names", [["a:1.png", "b:1.png"], ["s:1.png", "s:2.png"], ["C:/a:1.png", "/b:1.png"]])
def test_only_a_letter_a_colon_and_a_slash_are_a_drive(images, tmp_path, names):
    contents = [file.read_bytes() for file in sorted(images.rglob("*.png"))]
    assert archive(written(tmp_path / "x.zip", names, contents[:2])).names == tuple(name.split("/")[-1] for name in names)


@pytest.mark.parametrize("name", ["//a/1.png", "\\\\a\\1.png", "a\\1.png", "C:\\a\\1.png"])
def test_the_name_of_a_shared_folder_stays_a_folder(name):
    assert plain_name(zipfile.ZipInfo(name), where="x") == "a/1.png"


def test_what_macos_adds_is_hidden_whatever_the_slashes(images, tmp_path):
    contents = [file.read_bytes() for file in sorted(images.rglob("*.png"))]
    names = ["a/0.png", "__MACOSX\\a\\._0.png", "a/.DS_Store.png"]
    assert archive(written(tmp_path / "x.zip", names, contents)).names == ("a/0.png",)


def test_two_spellings_of_one_name_are_the_name_twice(images, tmp_path):
    contents = [file.read_bytes() for file in sorted(images.rglob("*.png"))]
    path = written(tmp_path / "x.zip", ["a/0.png", "./a/0.png", "1.png"], contents)
    with pytest.raises(UserError, match=r"x\.zip: holds a/0\.png twice"):
        archive(path)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damage_in_a_member_of_any_compression_is_one_message(images, tmp_path, compression):
    contents = [file.read_bytes() for file in sorted(images.rglob("*.png"))]
    with zipfile.ZipFile(tmp_path / "x.zip", "w", compression) as file:
        for index, content in enumerate(contents):
            file.writestr(f"{index}.png", content)
    np.savez(tmp_path / "x.npz", PIXELS)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", compression) as file:
        np.save(tmp_path / "x.npy", PIXELS)
        file.write(tmp_path / "x.npy", "arr_0.npy")
    chance = random.Random(compression)
    for path, read in ((tmp_path / "x.zip", lambda p: archive(p).as_set()), (tmp_path / "x.npz", arrays.images)):
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(chance.choice((1, 8))):
                damaged[chance.randrange(len(damaged))] ^= chance.randrange(1, 256)
            path.write_bytes(damaged)
            try:
                fingerprint(read(path))
            except UserError as error:
                assert "\n" not in str(error).strip()  # noqa: PT017 - damage that changes nothing raises nothing


def test_an_encrypted_npz_is_one_message(tmp_path):
    np.savez(tmp_path / "x.npz", PIXELS)
    whole = bytearray((tmp_path / "x.npz").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + place] |= 1
    (tmp_path / "x.npz").write_bytes(whole)
    with pytest.raises(UserError, match=r"arr_0: damaged: .*encrypted"):
        arrays.images(tmp_path / "x.npz")
