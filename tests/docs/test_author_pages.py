"""Each page for plugin authors, as it is written: its package installs, passes its own test, is listed, and runs on a board."""

import json
import re

import pytest
from author_pages import LANGUAGES, ROOT, AuthorPage, install, run_commands

KINDS = ("dataset", "executor", "extractor", "listener", "metric", "model", "sampler")
PAGES = {kind: AuthorPage(ROOT / "docs" / "plugins" / f"{kind}.md") for kind in KINDS}
LISTED = {
    "dataset": "png-folder",
    "executor": "serial",
    "extractor": "random-cnn",
    "metric": "feature-energy",
    "model": "flow-mlp",
    "sampler": "midpoint",
}
NUMBER = r"[* ]*\d+\.\d+[* †]*"
ROWS = {
    "dataset": rf"\| small +\| mle +\|{NUMBER}\|",
    "executor": rf"\| small +\| mle +\|{NUMBER}\|",
    "extractor": rf"\| blurred digits +\|{NUMBER}\|{NUMBER}\|{NUMBER}\|",
    "listener": rf"\| small +\| mle +\|{NUMBER}\|",
    "metric": rf"\| blurred digits +\|{NUMBER}\|{NUMBER}\|",
    "model": rf"\| loaded, random weights +\| mle +\|{NUMBER}\|",
    "sampler": rf"\| midpoint +\| none +\|{NUMBER}\|",
}
"""A row that the smoke board of the page prints, with numbers in it."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each page, with the files that the page writes."""
    folder = tmp_path_factory.mktemp("pages")
    for kind, page in PAGES.items():
        page.write_package(folder / kind)
    return {kind: folder / kind for kind in PAGES}


@pytest.fixture(scope="module")
def ran(folders, tmp_path_factory):
    """What the commands of every page gave, by page. All packages are installed first, and one process runs everything."""
    site = tmp_path_factory.mktemp("site")
    install(list(folders.values()), site)
    reports = run_commands({folders[kind]: quick_commands(kind) for kind in PAGES}, site)
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


@pytest.mark.parametrize("kind", LISTED)
def test_what_the_page_writes_is_listed(kind, ran):
    listed = next(step.out for step in ran[kind] if step.command.startswith("harness list"))
    assert any(line.startswith(f"{LISTED[kind]} ") for line in listed.splitlines()), listed


@pytest.mark.parametrize("kind", ROWS)
def test_the_board_of_the_page_has_a_row_with_numbers(kind, ran):
    table = ran[kind][-1].out
    assert re.search(ROWS[kind], table), table


def test_a_model_that_lacks_what_a_method_needs_is_skipped_with_the_reason(ran):
    assert "skipped: flow-mlp lacks Likelihood, which ddo needs" in ran["model"][-1].out


def test_a_midpoint_step_is_two_evaluations_and_the_end_is_one(ran):
    rows = [line.split("|") for line in ran["sampler"][-1].out.splitlines()]
    nfe = rows[0].index(next(cell for cell in rows[0] if cell.strip() == "NFE"))
    assert {row[1].strip(): row[nfe].strip() for row in rows[3:5]} == {"midpoint": "5", "heun": "7"}  # --smoke: 2 and 4 steps


def test_the_listener_has_written_the_events_of_its_board_in_their_order(ran, folders):
    lines = (folders["listener"] / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [(event["event"], event.get("cell")) for event in map(json.loads, lines)]
    assert events == [
        ("run started", None),
        ("step", "small"),
        ("cell finished", "small/none/s1"),
        ("step", "small/mle/s1"),
        ("cell finished", "small/mle/s1"),
        ("table", None),
    ]
