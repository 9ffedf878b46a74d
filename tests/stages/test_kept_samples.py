"""Boards that keep a few samples of each cell have the numbers of boards that keep all, and the features of all."""

import pytest
import torch
from tiny_boards import DIGITS

from harness.errors import UserError
from harness.stages import base as base_stage
from harness.stages import finetune, kept_samples, metrics, sample
from harness.stages.example_sets import SAMPLES
from harness.stages.facts import SampleFacts
from harness.store.files import set_aside
from harness.weights import state_dicts

KEPT = DIGITS.replace("batch: 16", "batch: 16, keep_samples: 20")


@pytest.fixture
def measured(read_board, new_context, monkeypatch):
    """Take the only cell of a board through its stages in a new process; returns its samples and values."""

    def call(text):
        board, context = read_board(text), new_context()
        cell, source = board.cells[0], context.dataset(board.dataset)
        weights = finetune.run(cell, base_stage.run(cell.base, source, context), source, context)
        output = sample.run(cell, weights, source, context).output
        return output, {name: by_code.measured.values for name, by_code in metrics.run(cell, output, source, context).items()}

    return call


def forget(context, *stages):
    for stage in stages:
        for folder in context.runs.root.glob(f"stages/{stage}/*"):
            set_aside(folder)


def test_no_key_and_no_number_depends_on_what_is_kept(read_board, measured, context):
    whole, kept = (read_board(text).cells[0] for text in (DIGITS, KEPT))
    assert (whole.key, whole.sample_key) == (kept.key, kept.sample_key)
    all_samples, expected = measured(DIGITS)
    everything = state_dicts.load(all_samples.folder / SAMPLES)
    forget(context, "sample", "features", "pair")
    few, found = measured(KEPT)
    assert found == expected
    facts = SampleFacts.of(few)
    assert (facts.kept, facts.draws_sha256) == (20, SampleFacts.of(all_samples).draws_sha256)
    first = state_dicts.load(few.folder / SAMPLES)
    assert {name: len(tensor) for name, tensor in first.items()} == dict.fromkeys(everything, 20)
    assert all(torch.equal(first[name], everything[name][:20]) for name in first)
    assert facts.kept_sha256 == [state_dicts.sha256({"x": first[f"x.{draw}"]}) for draw in range(2)]


def test_a_second_run_measures_from_the_features_and_draws_nothing(measured, context):
    _, expected = measured(KEPT)
    forget(context, "pair")
    again, found = measured(KEPT)
    assert (again.is_fresh, found) == (False, expected)


def test_samples_are_drawn_again_for_features_that_are_gone_or_new(measured, context):
    _, expected = measured(KEPT)
    forget(context, "features", "pair")
    again, found = measured(KEPT)
    assert (again.is_fresh, found) == (True, expected)
    wider = KEPT.replace('  "kid', '  "recall[digits-cnn]": \n  "kid')  # features of each image are there, for kid
    assert not measured(wider)[0].is_fresh
    wider = KEPT.replace('  "kid', '  "is[digits-cnn]": {metric: {name: is, splits: 2}}\n  "kid')
    assert measured(wider)[0].is_fresh


def test_all_samples_serve_a_board_that_keeps_fewer(measured):
    measured(DIGITS)
    again, _ = measured(KEPT)
    assert (again.is_fresh, SampleFacts.of(again).kept) == (False, None)


@pytest.mark.parametrize("kept", [70, 1000])
def test_to_keep_as_many_as_there_are_keeps_all(measured, kept):
    assert SampleFacts.of(measured(DIGITS.replace("batch: 16", f"batch: 16, keep_samples: {kept}"))[0]).kept is None


def test_a_column_of_the_samples_themselves_needs_them_all(read_board):
    with pytest.raises(UserError, match=r"board.yaml:10: sliced-w2 compares the samples themselves, which must then all stay: "):
        read_board(KEPT + "  sliced-w2: \n")


def test_images_and_seconds_of_extraction_are_those_of_all_draws(read_board, measured, new_context):
    output, _ = measured(DIGITS)
    cell, facts = read_board(DIGITS).cells[0], SampleFacts.of(output)
    found = kept_samples.extraction(cell, facts, new_context())
    assert found is not None
    assert found[0] == 2 * 70  # the draws of kid; fid measures one of them
    assert 0 < found[1] < 60
    forget(new_context(), "features")
    assert kept_samples.extraction(cell, facts, new_context()) is None
