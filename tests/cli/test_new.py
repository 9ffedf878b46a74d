"""`harness new` writes a package and says where; a name that will not do is one line, and nothing is written."""

import pytest


def test_the_folder_is_the_result_and_the_next_commands_are_advice(shell, tmp_path):
    ended = shell("new", "metric", "pixel-spread", "--into", str(tmp_path / "mine"))
    folder = tmp_path / "mine" / "harness-pixel-spread"
    assert (ended.returncode, ended.stdout) == (0, f"{folder}\n")
    assert "harness check metric:pixel-spread" in ended.stderr
    assert (folder / "harness_pixel_spread" / "metric.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metric", "Pixel"), "'Pixel' is no name for a plugin"),
        (("metric", "fid"), "metric 'fid' is already provided"),
        (("metrics", "pixel"), "no kind is called 'metrics'; did you mean 'metric'?"),
    ],
)
def test_a_name_that_will_not_do_is_one_line_and_nothing_is_written(shell, tmp_path, arguments, message):
    ended = shell("new", *arguments, "--into", str(tmp_path / "mine"))
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert message in line
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_cannot_be_written_to_is_one_line(shell, tmp_path):
    (tmp_path / "file").write_text("")
    ended = shell("new", "metric", "pixel-spread", "--into", str(tmp_path / "file"))
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: new: {tmp_path / 'file'} cannot be written to: ")
    assert line.endswith("; choose another folder with --into FOLDER")
