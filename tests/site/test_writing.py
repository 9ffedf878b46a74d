import json

import pytest

from harness.errors import UserError
from harness.site.writing import LIST, check_folder, write_site


def test_a_site_is_written_and_what_it_no_longer_has_goes(tmp_path):
    folder = tmp_path / "new" / "site"
    write_site({"index.html": b"1", "a/b/page.html": b"2"}, folder)
    write_site({"index.html": b"3"}, folder)
    assert sorted(path.name for path in folder.rglob("*")) == [LIST, "index.html"]
    assert (folder / "index.html").read_bytes() == b"3"


def test_a_file_that_is_as_it_was_is_not_written_again(tmp_path):
    write_site({"index.html": b"1"}, tmp_path)
    before = (tmp_path / "index.html").stat().st_mtime_ns
    write_site({"index.html": b"1", "other.html": b"2"}, tmp_path)
    assert (tmp_path / "index.html").stat().st_mtime_ns == before


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(UserError, match="holds files that are no site"):
        check_folder(tmp_path)
    with pytest.raises(UserError, match="holds files that are no site"):
        write_site({"thesis.tex": b""}, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "site").write_text("")
    with pytest.raises(UserError, match="a file stands where a folder must be"):
        check_folder(tmp_path / "site")


def test_a_list_with_paths_outside_removes_nothing_there(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("kept")
    folder = tmp_path / "site"
    write_site({"index.html": b"1"}, folder)
    (folder / LIST).write_text(json.dumps(["../outside.txt", str(outside), 3]))
    write_site({"index.html": b"1"}, folder)
    assert outside.read_text() == "kept"
