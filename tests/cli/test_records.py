"""`harness records`: one table of all results."""

import csv
import io
import json

import pytest

from harness.results import formats


@pytest.fixture
def published(filled):
    """A shell with a board whose records and page are published."""
    assert filled("publish", "leaderboards/small").returncode == 0
    return filled


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_it_prints_the_records_of_a_run_as_csv(filled):
    done = filled("records", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    cells = [row for row in rows(done.stdout) if row["kind"] == "cell"]
    assert len(cells) == 6
    assert {row["origin"] for row in cells} == {"run"}
    assert {row["is_current"] for row in cells} == {"True"}


def test_json_goes_into_a_file(filled, tmp_path):
    done = filled("records", "leaderboards/small", "--format", "json", "-o", "table.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "wrote table.json: " in done.stderr
    assert len(json.loads((tmp_path / "table.json").read_text())) == 6 + 10


def test_files_that_count_for_nothing_are_named_as_by_render(published):
    path = published.folder / "results" / "ddpm__ddo__s0.json"
    (path.parent / "ddpm__ddo__s0 (1).json").write_bytes(path.read_bytes())
    lines = published("render", "leaderboards/small", "--check").stderr.splitlines()
    done = published("records", "leaderboards/small", "--runs-dir", "elsewhere")
    assert done.stderr.splitlines() == lines[:1]
    assert lines[0].endswith("ddpm__ddo__s0 (1).json: of nothing that the board has; it counts for nothing")
    assert [row["file"] for row in rows(done.stdout) if row["cell"] == "ddpm/ddo/s0"] == [str(path.relative_to(path.parents[3]))]


def test_curves_are_a_table_of_their_own(filled):
    done = filled("records", "leaderboards/small", "--curves")
    assert {row["images"] for row in rows(done.stdout)} == {"0", "320", "640", "960", "1280"}


def test_parquet_is_no_text(filled, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda _: object())
    done = filled("records", "leaderboards/small", "--format", "parquet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --format parquet: is no text; name a file with -o FILE\n"


def test_an_unknown_format_is_named_with_the_nearest(filled):
    done = filled("records", "leaderboards/small", "--format", "jsn")
    assert done.returncode == 2
    assert done.stderr == "error: --format jsn: did you mean 'json'? there are csv, json, parquet\n"


def test_a_board_without_records_says_so(filled):
    done = filled("records", "leaderboards/small", "--runs-dir", "elsewhere")
    assert (done.returncode, rows(done.stdout)) == (0, [])
    assert "leaderboards/small: has no records, published or in elsewhere; `harness run` makes them" in done.stderr
