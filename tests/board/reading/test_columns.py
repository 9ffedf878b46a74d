"""Columns of a board: what they are called, and what is wrong with them."""

from importlib.metadata import EntryPoint

import pytest
from board_faults import fault
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.errors import Faults
from harness.plugins import Registry


def test_a_curve_of_an_unknown_metric_names_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{metric: distance, p", "{metric: distances, p")
    assert "no metric of this board is called 'distances'; did you mean 'distance'? there are: distance, lik" in found


def test_more_draws_than_the_evaluation_has_are_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{digits: 3}", "{digits: 3, draws: 9}")
    assert found == "board.yaml:16: draws (9) is above evaluation.draws (2)"


def test_a_board_that_does_not_say_whose_features_is_told_what_to_write(write_board):
    plugins = Registry(
        [EntryPoint(name, module, "harness") for name, module in (("fake", "harness_fake"), ("pixels", "pixel_features"))]
        + [EntryPoint("metrics", "harness_image_metrics", "harness")]
    )

    def load(metrics):
        return load_board(write_board(BOARD.partition("metrics:")[0] + f"metrics:\n  {metrics}\n"), plugins=plugins)

    for wrong, said in (
        ("fid: {}", r"call the column fid\[EXTRACTOR\]; extractors: pixels"),
        ("fid[pixel]: {}", r"no extractor is called 'pixel'; did you mean 'pixels'"),
        ("distance[pixels]: {}", r"compares the samples themselves: call the column 'distance'"),
        ("fid[pixels]: {extractor: other}", r"called 'fid\[pixels\]', and its extractor 'other'"),
        ("kid[pixels]: {}", r"board.yaml:\d+: kid draws subsets of 1000 images, and there are 100; set subset_size"),
    ):
        with pytest.raises(Faults, match=said):
            load(wrong)
    board = load("fid[pixels]: {}\n  fid-few[pixels]: {metric: {name: fid, few_images: true}}")
    assert [metric.label for metric in board.columns] == ["fid-100[pixels]", "fid-few-100[pixels]"]
    assert len({metric.key_digest for metric in board.columns}) == 2
