"""The page on results lists every column of the tables, with its type and its meaning."""

from pathlib import Path

import pytest

from harness.results.columns import CURVES, RESULTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("column", dict.fromkeys([*RESULTS, *CURVES]), ids=lambda column: column.name)
def test_a_column_stands_on_the_page(column):
    assert f"| `{column.name}` | {column.dtype} | {column.meaning} |\n" in PAGE
