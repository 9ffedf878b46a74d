"""CONTRIBUTING.md's example, taken from the page as it is: it installs, conforms, is listed, and has a row in the table."""

import re
import shutil

import pytest
from author_pages import ROOT, AuthorPage, install, run_commands

PAGE = AuthorPage(ROOT / "CONTRIBUTING.md")
FILES = ["pyproject.toml", "harness_l2sp/__init__.py", "harness_l2sp/method.py", "tests/test_l2sp.py"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the commands of the page gave, on a copy of the quickstart board with the two lines of the page."""
    folder, site = tmp_path_factory.mktemp("l2sp"), tmp_path_factory.mktemp("site")
    PAGE.write_package(folder)
    # Boards run in the process of the test, by the executor that its own page writes.
    executor = tmp_path_factory.mktemp("serial")
    AuthorPage(ROOT / "docs" / "plugins" / "executor.md").write_package(executor)
    install([folder, executor], site)
    board = folder / "leaderboards" / "quickstart"
    shutil.copytree(ROOT / "leaderboards" / "quickstart", board)
    [(_, entry)] = PAGE.blocks("yaml")
    text = (board / "board.yaml").read_text(encoding="utf-8")
    (board / "board.yaml").write_text(text.replace("\nmethods:\n", f"\nmethods:\n{entry}", 1), encoding="utf-8")
    own = PAGE.commands[: PAGE.commands.index("harness run leaderboards/quickstart")]  # all of the example but the whole board
    return run_commands({folder: own}, site)[folder]


def test_every_file_of_the_example_is_named():
    assert [name for name, _ in PAGE.blocks("toml", "python")] == FILES


def test_every_command_of_the_example_works(ran):
    assert [step.command.split()[:2] for step in ran] == [
        ["harness", "new"],
        ["pytest", "tests"],
        ["harness", "list"],
        ["harness", "show"],
        ["harness", "run"],
    ]
    assert [step.code for step in ran] == [0, 0, 0, 0, 0], ran[-1].out + ran[-1].err


def test_the_method_is_listed_with_its_settings(ran):
    assert re.search(r"^l2-sp +l2sp +1/1 +needs Trains ", ran[2].out, re.MULTILINE)
    assert re.search(r"^pull +number +0.01 +≥ 0 ", ran[3].out, re.MULTILINE)


def test_the_method_is_in_the_table(ran):
    (row,) = (line for line in ran[4].out.splitlines() if "l2-sp" in line)
    assert re.search(r"\d\.\d+", row)
