"""The README's hours and memory of the boards are those of their published records."""

import re
from pathlib import Path

import pytest

from harness.store.records import load_record

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADER = "| board | what it compares | its cells took |"


def cell_records(board):
    paths = (ROOT / "leaderboards").glob(f"{board}/results/*__s*.json")
    return [path for path in paths if not path.name.startswith(("floor__", "preview__"))]


def hours_in_readme():
    """The published boards of the table, with the hours of the last column, which may hold those of several boards."""
    found = {}
    for row in README.split(HEADER)[1].split("\n\n")[0].splitlines()[2:]:
        boards = re.findall(r"\(leaderboards/([\w-]+)/README\.md\)", row)
        last = row.rsplit("|", 2)[1].strip()
        if last.endswith(" h"):
            found |= dict(zip(boards, map(float, last.removesuffix(" h").split(", ")), strict=True))
    return found


def hours_of_records(board):
    seconds, trained = 0.0, set()
    for path in cell_records(board):
        record = load_record(path)
        costs = record.costs
        seconds += costs.seconds_sample + (costs.seconds_extract or 0.0)
        if (training := (record.base, record.method, record.seed)) not in trained:  # rows of several samplers share it
            seconds += costs.seconds_finetune
        trained.add(training)
        seconds += sum(measured.seconds for measured in record.metrics.values())
    return seconds / 3600


@pytest.mark.parametrize("board", sorted(hours_in_readme()))
def test_the_hours_are_those_of_the_published_records(board):
    assert f"{hours_of_records(board):.1f}" == str(hours_in_readme()[board])


def test_every_measured_board_that_trains_is_in_the_table():
    trained = {path.parent.parent.name for path in cell_records("*") if load_record(path).costs.seconds_finetune > 0}
    assert trained <= hours_in_readme().keys()


def gib_of_records(boards):
    peaks = (load_record(path).costs.peak_memory_bytes for board in boards for path in cell_records(board))
    return max(peak for peak in peaks if peak is not None) / 2**30


def test_the_memory_is_that_of_the_published_records():
    said = re.search(r"took up to ([\d.]+) GiB of memory, and one of the others up to ([\d.]+) GiB", " ".join(README.split()))
    points = {"swiss-roll", "swiss-roll-search", "two-moons"}
    others = {path.parent.parent.name for path in cell_records("*")} - points
    assert (f"{gib_of_records(points):.1f}", f"{gib_of_records(others):.1f}") == said.groups()
