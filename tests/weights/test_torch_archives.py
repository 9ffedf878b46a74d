"""Archives of torch.save: damage and cut ends are one line, and what another program packed anew has the same numbers."""

import zipfile

import pytest
import torch

from harness.errors import UserError
from harness.weights import torch_files
from harness.weights.stored import read

TENSORS = {"a": torch.arange(1000.0), "b": torch.ones(3, dtype=torch.float16)}


@pytest.fixture
def saved(tmp_path):
    torch.save(TENSORS, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def pack(source, target, compression=zipfile.ZIP_STORED, rename=lambda name: name, without=()):
    """Pack the members of an archive anew."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            if not name.endswith(without):
                new.writestr(rename(name), old.read(name))
    return target


def assert_whole(path):
    content = read(path).content
    assert content.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        torch.testing.assert_close(content[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_numbers_are_unpacked_and_never_mapped_as_they_lie(saved, tmp_path, compression):
    assert_whole(pack(saved, tmp_path / "packed.pt", compression))


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("w/", "another folder/", 1),
        lambda name: name.replace("w/", "a/b/", 1),
        lambda name: name.replace("w/", "./", 1),
        lambda name: name.replace("w/", "", 1),
        lambda name: name.replace("/", "\\"),
    ],
    ids=["another", "two", "here", "none", "backslashes"],
)
def test_the_folder_around_the_content_may_have_any_name_or_none(saved, tmp_path, rename):
    assert_whole(pack(saved, tmp_path / "packed.pt", rename=rename))


def test_other_members_beside_the_content_are_left_alone(saved, tmp_path):
    packed = pack(saved, tmp_path / "packed.pt", without=("version", "byteorder"))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/w/._data.pkl", b"")
        archive.writestr("notes/", b"")
    assert_whole(packed)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off_says_so(saved, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError) as caught:
        torch_files.load(saved)
    message = "it begins like an archive of torch.save, and its end is missing: copy or fetch the file again"
    assert str(caught.value) == f"{saved}: cannot be read: {message}"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_named(saved, tmp_path, compression):
    packed = pack(saved, tmp_path / "packed.pt", compression)
    with zipfile.ZipFile(packed) as archive:
        start = next(member.header_offset for member in archive.infolist() if member.filename.endswith("data/0"))
    content = bytearray(packed.read_bytes())
    for place in range(start + 200, start + 210):
        content[place] ^= 255
    packed.write_bytes(content)
    with pytest.raises(UserError, match=r"packed\.pt: cannot be read: data/0 in its archive is damaged: "):
        torch_files.load(packed)


def test_torch_may_leave_the_checksums_out(tmp_path):
    before = torch.serialization.get_crc32_options()
    try:
        torch.serialization.set_crc32_options(False)
        torch.save(TENSORS, tmp_path / "w.pt")
    finally:
        torch.serialization.set_crc32_options(before)
    assert_whole(tmp_path / "w.pt")


def test_a_list_of_state_dicts_has_tables_by_their_places(tmp_path):
    torch.save([TENSORS, {"state": {}}, 3, 7, {name: value + 1 for name, value in TENSORS.items()}], tmp_path / "ckpt.pth")
    assert list(read(tmp_path / "ckpt.pth").content) == ["0", "1", "2", "3", "4"]
