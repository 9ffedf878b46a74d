from typing import Annotated

import pytest
from pydantic import Field

from harness.board.reading.schema_keys import fields_at
from harness.board.schema import BoardConfig
from harness.config import Config


class Leaf(Config):
    a: int = 0


class Tree(Config):
    plain: Leaf = Leaf()
    optional: Leaf | None = None
    marked: Annotated[Leaf, Field()] | None = None
    listed: list[Leaf] = []
    named: dict[str, Leaf] = {}
    nested: dict[str, list[Leaf | int]] = {}
    number: int = 0


@pytest.mark.parametrize(
    "path", [("plain",), ("optional",), ("marked",), ("listed", 3), ("named", "any"), ("nested", "any", 0)]
)  # fmt: skip
def test_keys_are_those_of_the_settings_class_at_the_end_of_the_path(path):
    assert fields_at(Tree, path) == ["a"]


def test_the_empty_path_leads_to_the_class_itself():
    assert fields_at(Tree, ()) == ["plain", "optional", "marked", "listed", "named", "nested", "number"]


@pytest.mark.parametrize("path", [("absent",), ("number",), ("plain", "a"), ("plain", "absent", "a"), ("listed",), ("number", 0)])
def test_a_path_that_leads_to_no_settings_class_has_no_keys(path):
    assert fields_at(Tree, path) == []


def test_keys_of_a_board_are_found_through_its_unions_and_lists():
    assert fields_at(BoardConfig, ("bases", "net", "pretrain", 0, "training", "ema")) == ["std", "tracked", "snapshots"]
    assert fields_at(BoardConfig, ("bases", "net", "weights", "parts", "tokenizer")) == ["file", "sha256", "part"]
    assert "digits" in fields_at(BoardConfig, ("metrics", "fid[inception]"))
