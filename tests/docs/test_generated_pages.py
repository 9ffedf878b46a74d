from pathlib import Path

import pytest

from harness.store.records import Costs, FloorRecord, Record

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("model", [Record, Costs, FloorRecord])
def test_the_page_about_records_names_every_field(model):
    text = (DOCS / "records.md").read_text(encoding="utf-8")
    assert [name for name in model.model_fields if f"`{name}`" not in text] == []
