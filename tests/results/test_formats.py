"""Tables of results as files: every digit survives, and what is absent stays absent."""

import csv
import io
import json

import pandas as pd
import pytest

from harness.errors import UserError
from harness.results import formats
from harness.results.columns import RESULTS
from harness.results.frames import frame

ROWS: list[dict[str, object]] = [
    {"board": "rings", "kind": "cell", "seed": 0, "value": 0.1 + 0.2, "is_current": True, "created": "2026-01-01T00:00:00Z"},
    {"board": "rings", "kind": "cell", "status": "failed"},
]


@pytest.fixture
def table():
    return frame(ROWS, RESULTS)


def test_csv_keeps_every_digit(table):
    first, second = csv.DictReader(io.StringIO(formats.as_csv(table)))
    assert (float(first["value"]), first["seed"]) == (0.1 + 0.2, "0")
    assert (second["value"], second["seed"]) == ("", "")


def test_json_leaves_out_what_is_absent(table):
    first, second = json.loads(formats.as_json(table))
    assert first == {**ROWS[0], "created": "2026-01-01T00:00:00+00:00"}
    assert second == ROWS[1]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_file_holds_what_the_text_is(table, tmp_path, form):
    formats.write(table, tmp_path / "new" / f"table.{form}", form)
    assert (tmp_path / "new" / f"table.{form}").read_text() == formats.TEXT_FORMATS[form](table)


def test_parquet_keeps_types_and_digits(table, tmp_path):
    pytest.importorskip("pyarrow", reason="needs the extra [parquet]")
    formats.write(table, tmp_path / "table.parquet", "parquet")
    again = pd.read_parquet(tmp_path / "table.parquet")
    assert again.value[0] == 0.1 + 0.2
    assert again.seed.dtype == "Int64"
    assert str(again.created.dtype) == "datetime64[us, UTC]"


def test_parquet_without_pyarrow_says_how_to_get_it(table, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs pyarrow: pip install \"finetune-harness\[parquet\]\""):
        formats.write(table, tmp_path / "table.parquet", "parquet")
    assert not list(tmp_path.iterdir())
