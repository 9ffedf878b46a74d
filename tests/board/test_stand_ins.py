"""What a smoke run says of the files that it does without."""

import pytest

from harness.board.stand_ins import stand_ins

PRETRAINED = "net: {model: unet, pretrain: {method: parts, training: {images: 256}}}"
METRICS = '{"gap[edges]": }'
WITH_FILES = (
    ("dataset: grid", "dataset: brought"),
    (PRETRAINED, "net: {weights: unet-8}\n  other: {weights: unet-8}"),
    (METRICS, '{"gap[published]": , "gap[edges]": {reference: grids-8}}'),
)


def test_a_smoke_run_names_everything_that_stands_in_for_files(grids):
    assert list(stand_ins(grids(*WITH_FILES, smoke=True))) == [
        "The examples of brought are made up: they are noise.",
        "Random weights of tiny networks stand in for the published ones of net, other.",
        "Random features stand in for those of published.",
        "No published statistics are read (grids-8): columns compare with draws of the dataset.",
    ]


@pytest.mark.parametrize("changes", [WITH_FILES, ()], ids=["with files", "without"])
def test_nothing_stands_in_in_a_real_run(grids, changes):
    assert list(stand_ins(grids(*changes))) == []


def test_a_smoke_run_of_a_board_without_files_has_no_stand_in(grids):
    assert list(stand_ins(grids(smoke=True))) == []
