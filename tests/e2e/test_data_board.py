"""A board of data without models, through the real stages."""

import pytest

from harness.board.reading.load import load_board
from harness.errors import UserError
from harness.stages import draws, jobs
from harness.stages.job_result import FINISHED
from harness.stages.options import JobOptions
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder

BOARD = """\
title: Digits with faults
dataset: digits
bases:
  same: {data: digits}
  swapped: {data: {name: corrupted, dataset: digits, swapped_labels: 1.0}}
  noisy: {data: {name: corrupted, dataset: digits, noise: 1.0}}
methods: {none: {}}
seeds: [3]
evaluation: {sizes: [200, 100], draws: 2}
floor: {pairs: 2}
metrics:
  "fid[digits-cnn]":
  sliced-w2: {metric: {name: sliced-w2, projections: 20}}
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards") / "faults"
    folder.mkdir()
    (folder / "board.yaml").write_text(BOARD)
    board, runs = load_board(folder), RunsFolder(folder / "runs")
    found = {}
    for cell in board.cells:
        assert jobs.run_base(cell.base, runs, JobOptions("cpu")) == FINISHED
        jobs.run_cell(cell, runs, JobOptions("cpu"))
        found[cell.base.name, cell.row.size] = load_record(runs.record(board.name, cell.name, cell.key))
    return found


def test_data_are_measured_as_samples_are(records):
    record = records["noisy", 200]
    assert (record.status, record.size, record.evaluation["samples"]) == ("done", 200, 200)
    assert (record.costs.nfe, record.parameters, record.weights_sha256) == (0, 0, "")
    assert record.model.name == "corrupted"
    assert record.pretraining["data"]["settings"]["noise"] == 1.0
    for name in record.metrics:
        assert record.metrics[name].mean > 1.5 * records["same", 200].metrics[name].mean


def test_what_sees_no_labels_does_not_see_swapped_ones(records):
    for size in (100, 200):
        same, swapped = records["same", size], records["swapped", size]
        values = [{name: measured.values for name, measured in record.metrics.items()} for record in (same, swapped)]
        assert values[0] == values[1]


def test_examples_of_another_shape_are_refused_with_both_shapes(tmp_path):
    (tmp_path / "board.yaml").write_text(BOARD.replace("same: {data: digits}", "same: {data: swiss-roll}"))
    with pytest.raises(UserError, match=r"examples of swiss-roll have the shape \(2,\), those of digits \(1, 8, 8\)"):
        load_board(tmp_path)


def test_the_two_sides_share_no_image():
    from harness.components import Dataset
    from harness.plugins import registry

    component = registry().get(Dataset, "digits", where="this test")
    source = component.create(component.config())
    held_out = [source.evaluation(number, 448).x.flatten(1) for number in draws.examples_for_samples(5, 2)]
    first, second = ({tuple(image) for image in images.tolist()} for images in held_out)
    assert not first & second
