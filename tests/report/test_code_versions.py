"""Records of one component by several versions of its code: refused by `publish`, and marked on the page where they stand."""

import pytest
from edited_code import edit

from harness.errors import UserError
from harness.report.adopt import adopt
from harness.report.code_versions import mixed_code
from harness.report.collect import collect_published
from harness.report.publish import plan
from harness.report.remarks import remarks
from harness.report.render import render_published
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import SourceFacts, save_record

MIXED = "numbers may not be comparable: the code of method tune was edited between records: source"


def made_by(sha256, component="method tune", version="0.1", distribution="tunes"):
    return [SourceFacts(component=component, distribution=distribution, version=version, commit="c0", sha256=sha256 * 64)]


@pytest.fixture
def rows(board):
    """The cells of a method, in the order of seeds."""
    return lambda method: [cell for cell in board.cells if cell.method_name == method and cell.skip_reason is None]


@pytest.fixture
def published_by(board, publish_records, rows):
    """Publish the board; its cells of `tune` are by these versions of the code, one for each seed."""

    def publish(*versions):
        publish_records(board)
        for cell, version in zip(rows("tune"), versions, strict=True):
            publish_records(board, [cell], sources=[] if version is None else made_by(version))
        return collect_published(board)

    return publish


def test_one_version_of_the_code_is_not_mixed(published_by):
    assert mixed_code(published_by("a", "a", "a")) == {}


def test_records_without_hashes_are_not_mixed_with_anything(published_by):
    assert mixed_code(published_by(None, "a", "a")) == {}
    assert mixed_code(published_by(None, None, None)) == {}


def test_each_version_is_named_with_the_records_that_it_made(published_by):
    mixed = mixed_code(published_by("a", "b", "a"))
    assert {
        component: {facts.sha256[0]: names for facts, names in versions.items()} for component, versions in mixed.items()
    } == {"method tune": {"a": ["net/tune/s0", "net/tune/s2"], "b": ["net/tune/s1"]}}


def test_a_page_says_which_numbers_are_of_which_code_and_is_silent_where_all_is_one(board, published_by):
    published_by("a", "a", "a")
    assert MIXED not in render_published(board).page
    published_by("a", "b", "a")
    line = f"{MIXED} aaaaaaaaaaaa made net/tune/s0, net/tune/s2; source bbbbbbbbbbbb made net/tune/s1"
    assert line in remarks(collect_published(board))
    assert f"- {line}\n" in render_published(board).page


def test_the_code_of_a_floor_counts(board, published_by, make_floor):
    published_by(None, None, None)
    for floor, version in zip(board.floors, "ab", strict=True):
        record = make_floor(board, floor).model_copy(update={"sources": made_by(version, "dataset ring")})
        save_record(record, BoardFolder(board.folder).record(RecordName("floor", floor.name)))
    (versions,) = mixed_code(collect_published(board)).values()
    assert sorted(versions.values()) == [["floor of distance"], ["floor of likeness"]]


def test_mixed_records_are_not_published_unless_the_user_says_so(board, runs, run_records, rows):
    run_records(board, runs)
    for cell, version in zip(rows("tune"), "aba", strict=True):
        run_records(board, runs, [cell], sources=made_by(version))
    with pytest.raises(UserError) as caught:
        plan(board, runs)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(
        "rings: records were made by code that was edited, and their numbers may not be comparable: method tune in several "
        "versions: source aaaaaaaaaaaa made net/tune/s0, net/tune/s2; source bbbbbbbbbbbb made net/tune/s1. Make them anew"
    )
    assert "--fresh FILTER, with --fresh-bases and --fresh-floors for bases and floors" in line
    assert line.endswith("or publish with --allow-mixed")
    assert not BoardFolder(board.folder).results.exists()
    plan(board, runs, allow_mixed=True).apply()
    assert any(remark.startswith(MIXED) for remark in remarks(collect_published(board)))


def test_new_records_that_do_not_fit_the_published_ones_are_refused(board, runs, published_by, run_records, rows):
    published_by("a", "a", "a")
    run_records(board, runs, rows("tune")[:1], sources=made_by("b"))
    with pytest.raises(UserError, match="method tune in several versions"):
        plan(board, runs)


def test_records_of_code_that_was_edited_since_are_refused(board, runs, run_records, rows, monkeypatch):
    run_records(board, runs)
    run_records(board, runs, rows("tune"), sources=made_by("a", "method ddo"))
    edit(monkeypatch, "method ddo", to="a")
    assert plan(board, runs).problems == ()
    edit(monkeypatch, "method ddo", to="b")
    with pytest.raises(UserError, match="method ddo was edited after these records were made: net/tune/s0, net/tune/s1"):
        plan(board, runs)
    assert len(plan(board, runs, allow_mixed=True).copies) == 15 + 2


def test_what_is_published_already_does_not_bar_other_records(board, runs, published_by, run_records, rows, monkeypatch):
    published_by(None, None, None)
    (first, *_) = rows("fit")
    path = BoardFolder(board.folder).record(RecordName("cell", first.name))
    save_record(fake(first, made_by("a", "method ddo")), path)
    edit(monkeypatch, "method ddo", to="b")
    run_records(board, runs, rows("tune"))
    assert plan(board, runs).problems == ()
    assert adopt(board, runs) > 0, "published records are now in the runs folder too"
    assert plan(board, runs).problems == ()


def fake(cell, sources):
    from board_fixtures import fake_record

    return fake_record(cell, sources=sources)


def test_two_releases_of_the_harness_may_stand_in_one_board_and_two_edits_of_one_may_not(board, publish_records, rows):
    publish_records(board)
    first, second, third = rows("tune")
    for cell, sha256, version in ((first, "a", "0.1"), (second, "b", "0.2"), (third, "b", "0.2")):
        publish_records(board, [cell], sources=made_by(sha256, "harness", version, "finetune-harness"))
    assert mixed_code(collect_published(board)) == {}
    publish_records(board, [third], sources=made_by("c", "harness", "0.2", "finetune-harness"))
    assert list(mixed_code(collect_published(board))) == ["harness"]
