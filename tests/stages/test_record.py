"""What records say of the sampler's guidance."""

import dataclasses

import pytest

from harness.board.components import Resolved
from harness.board.reading.load import load_board
from harness.components import Sampler
from harness.plugins import registry
from harness.stages.record import skeleton
from harness.store.records import load_record, save_record


def sampled_by(cell, name, **settings):
    """The cell with another sampler."""
    component = registry().get(Sampler, name, where="test")
    other = Resolved(component, component.config(**settings), "token-samplers", "1/1")
    origin = dataclasses.replace(cell.base.origin, sampler=other)
    return dataclasses.replace(cell, row=dataclasses.replace(cell.row, base=dataclasses.replace(cell.base, origin=origin)))


@pytest.mark.parametrize(
    ("name", "settings", "formula"),
    [
        ("var", {"cfg": 1.5}, "logits = (1 + t) * cond - t * null, t = 1.5 * k / (K - 1) at scale k of 0 ... K - 1"),
        ("maskgit-halton", {"w": 2}, "logits = (1 + t) * cond - t * null, t = 2 at step s of 0 ... S - 1"),
    ],
)
def test_a_record_holds_the_formula_of_guidance(board, tmp_path, name, settings, formula):
    record = skeleton(sampled_by(board.cells[0], name, **settings), "skipped")
    save_record(record, tmp_path / "one.json")
    assert load_record(tmp_path / "one.json").sampler.formula == formula


def test_a_sampler_without_guidance_says_nothing(board):
    assert "formula" not in skeleton(board.cells[0], "skipped").model_dump()["sampler"]


def test_data_in_the_place_of_a_model_have_no_formula(write_board, fake_plugins):
    text = "title: Data\ndataset: ring\nbases: {good: {data: ring}}\nmethods: {none: {}}\nmetrics: {distance: {}}\n"
    cell = load_board(write_board(text, "data"), plugins=fake_plugins).cells[0]
    assert "formula" not in skeleton(cell, "failed").model_dump()["sampler"]
