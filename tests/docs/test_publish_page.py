"""The page on publishing lists the columns of reported.csv and the formats of `harness render`."""

from pathlib import Path

import pytest

from harness.report.formats import FORMATS
from harness.report.reported import COLUMNS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "publish.md").read_text(encoding="utf-8")


def test_the_first_line_of_reported_csv_stands_on_the_page():
    assert f"```\n{','.join(COLUMNS)}\n```\n" in PAGE


@pytest.mark.parametrize("name", [*COLUMNS, *FORMATS])
def test_a_column_or_format_has_a_row(name):
    assert f"\n| `{name}` |" in PAGE
