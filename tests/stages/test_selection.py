"""What chooses a checkpoint is apart from what measures it: other noise, other real examples."""

import pytest

from harness.board.reading.load import load_board
from harness.sampling import drawing
from harness.stages import context, draws, jobs
from harness.stages.options import JobOptions
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder

BOARD = """\
title: Selection
dataset: {name: swiss-roll, train_size: 256}
bases:
  small:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 128, batch: 64}}
training: {images: 256, batch: 64, select: best}
methods: {mle: {}}
seeds: [4]
evaluation: {samples: 30, draws: 2, batch: 30}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
curve: {metric: sliced-w2, points: 2, samples: 30}
"""


@pytest.fixture
def used(tmp_path, monkeypatch):
    """Streams of generated samples and numbers of real draws of one cell, in the order in which they were asked for."""
    streams, real = [], []
    drawn, dataset = drawing.draw, context.dataset

    def draw(*arguments, **settings):
        streams.append((settings["seed"], settings["purpose"]))
        return drawn(*arguments, **settings)

    def watched(resolved):
        source = dataset(resolved)

        class Watched:
            spec, fingerprint, train = source.spec, source.fingerprint, staticmethod(source.train)
            largest_evaluation = None

            def evaluation(self, number, n):
                real.append(number)
                return source.evaluation(number, n)

        return Watched()

    monkeypatch.setattr(drawing, "draw", draw)
    monkeypatch.setattr(context, "dataset", watched)
    (tmp_path / "board.yaml").write_text(BOARD)
    board, layout = load_board(tmp_path), RunsFolder(tmp_path / "runs")
    (cell,) = board.cells
    jobs.run_cell(cell, layout, JobOptions("cpu"))
    assert load_record(layout.record(board.name, cell.name, cell.key)).status == "done"
    return streams, real


def test_seeds_of_selection_are_apart_from_those_of_the_evaluation(used):
    streams, real = used
    selection, evaluation = streams[:-2], streams[-2:]
    assert set(selection) == {(4, "selection")}
    assert evaluation == [(4, "evaluation/0"), (4, "evaluation/1")]
    assert set(real[:-2]) == {draws.selection(4)}
    assert real[-2:] == [draws.evaluation(4, 0), draws.evaluation(4, 1)]
