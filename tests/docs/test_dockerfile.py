"""The Dockerfile, as far as it can be tried without docker: its files are there and suffice, and README builds it."""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
ARGUMENTS = dict(rest.split("=") for name, rest in STEPS if name == "ARG")
COPIES = [source for name, rest in STEPS if name == "COPY" for source in rest.split()[:-1]]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for line in README.splitlines() if line.startswith("docker ")]


def is_sent(path):
    """Whether .dockerignore lets a path of the checkout into the build."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.lstrip("!")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or path.startswith(f"{pattern}/") or pattern == "*"):
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize("source", COPIES)
def test_what_is_copied_is_there_and_is_sent_to_the_build(source):
    assert (ROOT / source).exists()
    assert is_sent(source)


@pytest.mark.parametrize(
    "path", ["runs/records", ".git/config", ".tox/py3/bin/python", "harness/x/__pycache__", "tests/conftest.py"]
)
def test_what_the_image_does_not_need_is_not_sent(path):
    assert not is_sent(path)


def test_every_variable_has_a_value_and_every_argument_is_used():
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    set_here = {name for key, rest in STEPS if key == "ENV" for name in re.findall(r"(\w+)=", rest)}
    assert ARGUMENTS.keys() <= used
    assert used <= ARGUMENTS.keys() | set_here
    assert ARGUMENTS["TORCH"] == "cpu"  # without an argument the image is for every machine


def test_the_python_of_the_image_is_one_that_the_package_takes():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"Python :: {ARGUMENTS['PYTHON']}" in project


def test_the_commands_of_the_readme_build_both_images_and_run_a_board():
    builds = [command for command in COMMANDS if command.startswith("docker build ")]
    runs = [command for command in COMMANDS if command.startswith("docker run ")]
    given = {argument.split("=")[0] for command in builds for argument in re.findall(r"--build-arg (\S+)", command)}
    assert given == {"TORCH"} <= ARGUMENTS.keys()
    tags = [command.split("-t ")[1].split()[0] for command in builds]
    for command, tag in zip(runs, tags, strict=True):
        image, verb, board = command.split()[-3:]
        assert (image, verb) == (tag, "run")
        assert (ROOT / board / "board.yaml").is_file()
    assert ["--gpus" in command for command in runs] == [False, True]


@pytest.mark.long
def test_the_copied_files_suffice_to_install_the_command_with_all_its_data(tmp_path):
    pytest.importorskip("setuptools")
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in COPIES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(source)], check=True)
    for pattern in ("**/*.j2", "**/*.bash", "**/*.zsh", "**/*.safetensors", "**/py.typed"):
        for base in ("harness", "plugins"):
            for file in (source / base).glob(pattern):
                assert (site / file.relative_to(source / base if base == "plugins" else source)).is_file(), file
    assert (site / "bin" / "harness").is_file()
