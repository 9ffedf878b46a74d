"""docs/boards.md: whatever the schema says stands on the page, in whole sentences."""

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, PositiveInt

from harness.board import schema, schema_docs
from harness.board.filters import KEYS
from harness.board.schema import BaseConfig, ComponentEntry, EvaluationConfig, FloorConfig, Name
from harness.config import Config
from harness.training.config import PowerFunctionEMA

PAGE = schema_docs.page()
CLASSES = [
    model
    for model in (*vars(schema).values(), PowerFunctionEMA)
    if isinstance(model, type) and issubclass(model, Config) and model not in (Config, ComponentEntry, EvaluationConfig)
]
"""All settings classes of a board but those that stand there through others: components, and what evaluations share."""


def section(place):
    """The part of the page under the heading that holds a place."""
    (found,) = [part for part in PAGE.split("\n## ")[1:] if f"`{place}`" in part.splitlines()[0]]
    return found


def row(place, key):
    """Type, default and meaning of a key."""
    (found,) = [line for line in section(place).splitlines() if line.startswith(f"| `{key}` |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", found)[2:5]]


def test_the_committed_page_is_fresh():
    docs = Path(__file__).parents[2] / "docs" / "boards.md"
    assert docs.read_text(encoding="utf-8") == PAGE, "run: python -m harness.board.schema_docs"


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_every_class_stands_there_with_its_whole_docstring_and_every_key(model):
    summary = " ".join(model.__doc__.split())
    rows = [f"| `{key}` |" for key in model.model_fields]
    sections = [" ".join(part.split()) for part in PAGE.split("\n## ")]
    assert [part for part in sections if f" {summary} | key |" in part and all(row in part for row in rows)]
    assert summary.endswith(".")


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_every_key_has_a_description(model):
    assert [key for key, field in model.model_fields.items() if not field.description] == []


def test_every_filter_key_is_named():
    assert [key for key in KEYS if f"`{key}`" not in PAGE.partition("## `board.yaml`")[0]] == []


def test_lines_outside_tables_are_short():
    assert [line for line in PAGE.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_places_are_written_as_the_keys_that_lead_there():
    assert section("bases.NAME.weights.parts.NAME")
    heading = section("training").splitlines()[0]
    assert heading == "`bases.NAME.pretrain.training`, `training`"


def test_a_row_has_type_bounds_default_and_meaning():
    assert row("floor", "pairs") == ["whole number > 0", "`10`", FloorConfig.model_fields["pairs"].description]
    assert row("metrics.NAME", "digits")[:2] == ["whole number ≥ 0 and ≤ 10", "`2`"]
    assert row("board.yaml", "seeds")[:2] == ["list of whole numbers ≥ 0 and < 1,000,000", "`[0, 1, 2]`"]
    assert row("board.yaml", "title")[:2] == ["text", "required"]
    assert row("board.yaml", "evaluation")[:2] == ["mapping, below", "as below"]
    assert row("metrics.NAME", "ranks")[:2] == ["true or false", "`true`"]
    assert row("metrics.NAME", "show")[:2] == ["list of `mean` or `minimum`", "`[mean]`"]


def test_the_bounds_of_a_number_that_may_be_absent_are_there():
    assert row("metrics.NAME", "draws")[:2] == ["whole number > 0", "–"]


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "whole number"),
        (float | None, "number"),
        (list[str], "list of texts"),
        (str | list[str], "text or list of texts"),
        (tuple[float, ...], "list of numbers"),
        (Literal["mean", "minimum"], "`mean` or `minimum`"),
        (Annotated[float, Field(gt=0, lt=1)], "number > 0 and < 1"),
        (PositiveInt | None, "whole number > 0"),
        (dict[str, object], "mapping"),
        (dict[Name, BaseConfig], "name → mapping, below"),
        (list[BaseConfig], "list of mappings, below"),
        (ComponentEntry | None, "component"),
    ],
)
def test_types_are_called_by_words_of_yaml(annotation, name):
    assert schema_docs.type_name(annotation) == name


def test_a_type_without_a_name_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        schema_docs.type_name(bytes)


def test_a_bar_in_a_description_does_not_end_its_cell():
    class Model(BaseModel):
        key: int = Field(1, description="a | b")

    assert schema_docs._row("key", Model.model_fields["key"]) == "| `key` | whole number | `1` | a \\| b |"


def test_the_command_writes_the_page(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr("sys.argv", ["schema_docs", str(tmp_path)])
    schema_docs.main()
    assert (tmp_path / "docs" / "boards.md").read_text(encoding="utf-8") == PAGE
    monkeypatch.setattr("sys.argv", ["schema_docs"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "boards.md").unlink()
    schema_docs.main()
    assert (tmp_path / "docs" / "boards.md").exists()
