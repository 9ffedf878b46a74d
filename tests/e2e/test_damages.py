"""After any single change to a file under runs/, a board publishes the same numbers or says what is wrong, never others."""

import json
import shutil
import sys
from collections import Counter

import damages
import in_process
import pytest
from in_process import command, write_board

in_this_process = in_process.in_this_process
pytestmark = pytest.mark.usefixtures("in_this_process")
SEED = 20
STATES = ("records present", "records absent", "training under way")


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return write_board(tmp_path_factory.mktemp("damages") / "tiny")


@pytest.fixture(scope="module")
def undisturbed(board, module_patch):
    """Runs folders of a finished board by their state, and the numbers that it publishes."""
    in_process.run_in_this_process(module_patch)
    module_patch.setattr("harness.report.plots.plot.Plot.png", lambda _: b"no picture")  # plots take the most time, and no part
    whole = board.parent / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.stages.finetune.remove_folder", lambda _: None)  # keeps the checkpoints
        assert command("run", board, "--runs-dir", whole, "--checkpoint-seconds", "0").code == 0
    folders = dict.fromkeys(STATES, whole)
    for state in STATES[1:]:
        folders[state] = damages.copy(whole, board.parent / state.replace(" ", "-"))
    for state in STATES[:2]:
        shutil.rmtree(folders[state] / "work")
    for folder in (folders["records absent"] / "records", *(folders["training under way"] / "stages").glob("[!b]*")):
        shutil.rmtree(folder)
    shutil.rmtree(folders["training under way"] / "records")
    return folders, published(board, whole)[1]


def published(board, runs):
    """Publish a runs folder anew. Returns: how the command ended, and each number and hash that is published now."""
    shutil.rmtree(board / "results", ignore_errors=True)
    ended = command("publish", board, "--runs-dir", runs)
    return ended, {path.name: numbers(json.loads(path.read_bytes())) for path in (board / "results").glob("[!p]*.json")}


def numbers(record):
    """Everything that a record tells but times, memory and dates, which are others when something is made again."""
    if "metrics" not in record:
        return record["values"]
    kept = {name: value for name, value in record.items() if name not in ("created", "environment", "sha256")}
    kept["metrics"] = {name: (measured["values"], measured.get("also")) for name, measured in record["metrics"].items()}
    kept["costs"] = {name: value for name, value in record["costs"].items() if not name.startswith(("seconds", "peak"))}
    return kept


def try_damage(board, undisturbed, state, damage):
    """Damage a copy, run and publish. Returns: how it ended; None where there was nothing to change."""
    folders, expected = undisturbed
    runs = damages.copy(folders[state], board.parent / "copy")
    if not damage.apply(runs):
        return None
    ran = command("run", board, "--runs-dir", runs, "--checkpoint-seconds", "0")
    ended, found = published(board, runs)
    what = f"{state}, {damage}:\n{ran.err}\n{ended.err}"
    assert "Traceback" not in ran.err + ended.err, what
    assert all(record == expected[name] for name, record in found.items()), what
    if ran.code == 0 and ended.code == 0:
        assert found == expected, what
        return "same, and said so" if "damaged" in ran.err + ended.err else "same"
    assert ran.code in (1, 2), what
    assert ran.errors, what
    return "refused"


def tally(board, undisturbed, count, tell=lambda _: None):
    """Try so many changes. Returns: how often each state ended how. tell: called after every hundredth."""
    folders, _ = undisturbed
    counts = Counter()
    cases = {state: iter(damages.damages(folders[state], SEED)) for state in STATES}
    while counts.total() < count and cases:
        for state in [*cases]:
            damage = next(cases[state], None)
            if damage is None:
                del cases[state]
            elif (outcome := try_damage(board, undisturbed, state, damage)) is not None:
                counts[state, outcome] += 1
                if counts.total() % 100 == 0:
                    tell(counts)
    return counts


def test_some_changes_move_no_published_number(board, undisturbed):
    assert tally(board, undisturbed, 24).total() >= 24


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_single_change_moves_a_published_number(board, undisturbed, capsys):
    def tell(counts):
        lines = [f"{state}: {outcome}: {number}" for (state, outcome), number in sorted(counts.items())]
        with capsys.disabled():
            sys.stdout.write("\n".join(["", f"{counts.total()} changes", *lines, ""]))
            sys.stdout.flush()

    assert tally(board, undisturbed, 700, tell).total() >= 600
