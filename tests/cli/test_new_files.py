"""The folder above a file that a command writes must be there."""

from pathlib import Path

import pytest

from harness.cli.new_files import check_folder_above
from harness.errors import UserError


def test_a_missing_folder_is_refused_and_not_made(tmp_path):
    path = tmp_path / "typo" / "deeper" / "x.csv"
    with pytest.raises(UserError) as caught:
        check_folder_above(path, "-o")
    assert (
        str(caught.value)
        == f"-o {path}: the folder {tmp_path / 'typo'} is absent; make it (mkdir -p {path.parent}) or name another folder"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_or_that_another_message_is_about_passes(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("x.csv", "file/x.csv", "link/x.csv", "link/deeper/x.csv"):
        check_folder_above(tmp_path / name, "-o")
    monkeypatch.chdir(tmp_path)
    check_folder_above(Path("x.csv"), "-o")


@pytest.mark.parametrize("arguments", [
    ("records", "leaderboards/small", "-o", "gone/x"),
    ("report", "leaderboards/small", "-o", "gone/x"),
    ("submit", "leaderboards/small", "-o", "gone/x"),
    ("rank", "leaderboards/small", "--plot", "gone/x"),
    ("export", "a.json", "--weights", "gone/x"),
    ("export", "a.json", "--samples", "gone/x"),
    ("samples", "a.json", "--png", "gone/x"),
])  # fmt: skip
def test_each_command_refuses_before_it_works(shell, arguments):
    done = shell(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"error: {arguments[-2]} gone/x: the folder gone is absent; make it (mkdir -p gone) or name another folder\n"
    )


def test_convert_too(shell):
    done = shell("convert", "a.pt", "gone/x.safetensors")
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: DST gone/x.safetensors: the folder gone is absent; make it (mkdir -p gone) or name another folder\n"
    )
