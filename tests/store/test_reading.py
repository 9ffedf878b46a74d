"""Files that anybody may have put where they lie: a pipe is refused at once, and text is UTF-8."""

import os

import pytest

from harness.errors import UserError
from harness.store.keys import file_sha256
from harness.store.reading import NotRegular, check_regular, open_regular, read_bytes, read_text


@pytest.fixture(params=["pipe", "link to a pipe", "device", "link to a device"])
def endless(request, tmp_path):
    path = tmp_path / "endless"
    target = "/dev/zero"
    if "pipe" in request.param:
        target = tmp_path / "pipe"
        os.mkfifo(target)
    if request.param == "pipe":
        return target
    if request.param == "device":
        return target
    path.symlink_to(target)
    return path


@pytest.mark.parametrize("read", [check_regular, open_regular, read_bytes, read_text, file_sha256])
def test_what_is_no_file_is_refused_and_not_waited_for(endless, read):
    with pytest.raises(NotRegular, match="a pipe or a device stands where a file must be"):
        read(endless)


@pytest.mark.parametrize("read", [check_regular, open_regular, read_bytes, read_text])
def test_a_folder_and_an_absent_file_are_what_they_are_to_python(tmp_path, read):
    with pytest.raises(IsADirectoryError):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")


def test_a_file_is_read_up_to_the_largest_size(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert read_bytes(tmp_path / "x", largest=3) == b"abc"
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_bytes(tmp_path / "x", largest=2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_is_utf_8_with_or_without_a_mark(tmp_path, encoding):
    (tmp_path / "x").write_bytes("é\r\n".encode(encoding))
    assert read_text(tmp_path / "x") == "é\r\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\xe9\n", r"x:2: byte 0xe9 is no UTF-8; save the file in UTF-8"),
        (b"\xef\xbb\xbfa\nb\xe9\n", r"x:2: byte 0xe9 is no UTF-8"),
        ("a".encode("utf-16"), r"x:1: the text is in UTF-16; save the file in UTF-8"),
        (b"\xfe\xff\x00a", r"x:1: the text is in UTF-16"),
        (b"a\n\xed\xa0\x80", r"x:2: byte 0xed is no UTF-8"),
    ],
)
def test_text_in_another_encoding_names_its_line(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_text(tmp_path / "x")
