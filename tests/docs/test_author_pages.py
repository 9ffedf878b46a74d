"""Each page for plugin authors, as it is written: its package installs, passes its own test, is listed, and runs on a board."""

import re

import pytest
from author_pages import LANGUAGES, ROOT, AuthorPage, install, run_commands

PAGES = {kind: AuthorPage(ROOT / "docs" / "plugins" / f"{kind}.md") for kind in ("executor", "metric")}
LISTED = {
    "executor": "serial",
    "metric": "feature-energy",
}
ROWS = {
    "executor": r"\| small .*\d\.\d+",
    "metric": r"\| blurred digits .*\d\.\d+ .*\| +\*?\*?\d+\.\d+",
}
"""A row that the smoke board of the page prints, with numbers in it."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the commands of every page gave, by page. All packages are installed first, and one process runs everything."""
    folder = tmp_path_factory.mktemp("pages")
    folders = {kind: folder / kind for kind in PAGES}
    for kind, page in PAGES.items():
        page.write_package(folders[kind])
    install(list(folders.values()), folder / "site")
    reports = run_commands({folders[kind]: quick_commands(kind) for kind in PAGES}, folder / "site")
    return {kind: reports[folders[kind]] for kind in PAGES}


def quick_commands(kind):
    """The commands of a page; of the two that run its board, the one with --smoke."""
    return [command for command in PAGES[kind].commands if not command.startswith("harness run") or "--smoke" in command]


@pytest.mark.parametrize("kind", PAGES)
def test_every_block_of_code_is_a_file_of_the_package(kind):
    names = [name for name, _ in PAGES[kind].blocks(*LANGUAGES)]
    assert None not in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", PAGES)
def test_the_commands_of_the_page_do_what_it_says(kind, ran):
    last = ran[kind][-1]
    assert [(step.command, step.code) for step in ran[kind]] == [(command, 0) for command in quick_commands(kind)], (
        last.out + last.err
    )
    listed = next(step.out for step in ran[kind] if step.command.startswith("harness list"))
    assert any(line.startswith(f"{LISTED[kind]} ") for line in listed.splitlines())
    table = next(step.out for step in ran[kind] if "--smoke" in step.command)
    assert re.search(ROWS[kind], table), table
