"""The page on models lists every capability that a model can provide, in one table or below it."""

from pathlib import Path

import pytest

from harness.capabilities import PROTOCOLS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plugins" / "model.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## 2. Which capabilities?")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_capability_stands_in_the_section(name):
    assert f"`{name}`" in SECTION
