"""`harness records`: one table of all results."""

import csv
import io
import json

from harness.results import formats


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_it_prints_the_records_of_a_run_as_csv(filled):
    done = filled("records", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    cells = [row for row in rows(done.stdout) if row["kind"] == "cell"]
    assert len(cells) == 6 * 2
    assert {row["origin"] for row in cells} == {"run"}
    assert {row["is_current"] for row in cells} == {"True"}


def test_json_goes_into_a_file(filled, tmp_path):
    done = filled("records", "leaderboards/small", "--format", "json", "-o", "out/table.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "wrote out/table.json: " in done.stderr
    assert len(json.loads((tmp_path / "out" / "table.json").read_text())) == 6 * 2 + 4


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
