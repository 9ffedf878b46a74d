"""What chooses a checkpoint is apart from what measures it: other noise, other real examples."""

import pytest
import torch
from pixel_features import COMPONENT
from stage_parts import GAP, NOISE, resolved

from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.schema import MetricConfig
from harness.components import Dataset
from harness.interfaces import Batch
from harness.plugins import registry
from harness.sampling import drawing
from harness.stages import base as base_stage
from harness.stages import curve_measuring, draws, jobs
from harness.stages.checked import CheckedSource
from harness.stages.example_sets import RealExamples
from harness.stages.facts import FinetuneFacts
from harness.stages.options import JobOptions
from harness.stages.prepare import BaseSampler
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder
from harness.streams import stream
from harness.training.task import TrainingTask
from harness.weights import state_dicts
from harness_digits import DigitsConfig
from harness_digits.images import digits

CURVE = "curve: {metric: sliced-w2, points: 2, samples: 30}\n"


@pytest.fixture
def selecting(read_board, tiny_text):
    """A cell that takes the best weights along its curve."""
    text = tiny_text.replace("batch: 64}\nmethods", "batch: 64, select: best}\nmethods") + CURVE
    return next(cell for cell in read_board(text).cells if cell.name == "small/mle/s1")


@pytest.fixture
def used(selecting, tmp_path, monkeypatch):
    """Streams of generated samples and numbers of real draws of one cell, in the order in which they were asked for."""
    streams, real = [], []
    drawn, evaluation = drawing.draw, CheckedSource.evaluation

    def draw(*arguments, **settings):
        streams.append((settings["seed"], settings["purpose"]))
        return drawn(*arguments, **settings)

    def watched(self, number, n):
        real.append(number)
        return evaluation(self, number, n)

    monkeypatch.setattr(drawing, "draw", draw)
    monkeypatch.setattr(CheckedSource, "evaluation", watched)
    runs = RunsFolder(tmp_path / "runs")
    jobs.run_cell(selecting, runs, JobOptions("cpu"))
    assert load_record(runs.record("tiny", selecting.name, selecting.key)).status == "done"
    return streams, real


def test_a_point_that_the_metric_cannot_have_fails_the_cell(selecting, tmp_path, monkeypatch):
    monkeypatch.setattr("harness_wasserstein.sliced.SlicedW2.__call__", lambda *_: {"sliced-w2": -0.5})
    runs = RunsFolder(tmp_path / "runs")
    jobs.run_cell(selecting, runs, JobOptions("cpu"))
    record = load_record(runs.record("tiny", selecting.name, selecting.key))
    assert record.status == "failed"
    assert record.reason.startswith("curve of sliced-w2 is -0.5, and the lowest value of sliced-w2 is 0")


def test_seeds_of_selection_are_apart_from_those_of_the_evaluation(used):
    streams, real = used
    selection, evaluation = streams[:-4], streams[-4:]
    assert set(selection) == {(1, "selection")}
    assert evaluation == 2 * [(1, "evaluation/0")] + 2 * [(1, "evaluation/1")]  # in chunks of 16
    assert set(real[:-2]) == {draws.selection(1)}
    assert real[-2:] == [draws.evaluation(1, 0), draws.evaluation(1, 1)]


@pytest.fixture
def started(selecting, source, context):
    """The cell's network, task and curve before the first step."""
    base = base_stage.run(selecting.base, source, context)
    network = base_stage.load(selecting.base, base, source, context)
    task = TrainingTask(network, source.spec, context.device, selecting.training, None)
    ready = BaseSampler(selecting.base, source, context).ready
    return network, ready, curve_measuring.curve_of(selecting, source, task, ready, context)


def test_a_point_is_the_columns_metric_on_the_selections_samples(selecting, started, source, context):
    network, ready, points = started
    value = points.measure(network.state_dict())
    generated = drawing.draw_decoded(
        ready, network, source.spec, n=30, seed=1, purpose="selection", batch=16, device=context.device
    )  # fmt: skip
    (column,) = selecting.columns
    metric = column.metric.component.create(column.metric.settings)
    real = source.evaluation(draws.selection(1), 30)
    assert value == metric(generated.batch, real, stream(1, "selection metric"))["sliced-w2"]
    assert points.measure(network.state_dict()) == value  # whenever it is asked


def test_measuring_leaves_the_network_that_trains_alone(started):
    network, _, points = started
    before = state_dicts.sha256(network.state_dict())
    points.measure({name: torch.zeros_like(value) for name, value in network.state_dict().items()})
    assert state_dicts.sha256(network.state_dict()) == before


def test_the_chosen_weights_are_the_best_of_the_curve(selecting, tune):
    facts = FinetuneFacts.of(tune(selecting))
    assert [point.images for point in facts.curve] == [0, 128, 256]
    best = min(facts.curve, key=lambda point: point.value)
    assert facts.selected_images == best.images


def test_a_board_without_a_curve_has_none(cells, tune):
    assert FinetuneFacts.of(tune(cells["small/mle/s0"])).curve == []


def test_on_features_only_those_of_the_real_images_are_kept(context):
    pixels = resolved(COMPONENT)
    column = Column("gap[pixels]", "gap", resolved(GAP), MetricConfig(), 1, 1, pixels)
    source = context.dataset(NOISE)
    compared = curve_measuring._comparison(column, RealExamples(source, draws.selection(0), 20), context)
    generated = Batch(source.evaluation(3, 20).x)
    first = compared(generated, stream(0, "selection metric"))
    kept = list(context.runs.root.glob("stages/features/*"))
    assert len(kept) == 1
    assert compared(Batch(generated.x.flip(0)), stream(0, "selection metric"))["gap"] == pytest.approx(first["gap"], rel=1e-5)
    assert list(context.runs.root.glob("stages/features/*")) == kept
    assert first["images"] == 20


def test_the_curve_compares_with_the_images_that_are_kept_for_it(context, monkeypatch):
    """On points or features, with the whole part and a smaller share of it."""
    kept = digits(DigitsConfig(selection=448))
    component = registry().get(Dataset, "digits", where="test")
    source = CheckedSource(Resolved(component, DigitsConfig(selection=448), "digits", "1/1"), kept)
    monkeypatch.setattr(CheckedSource, "evaluation", None)  # which is for what is evaluated
    for n in (448, 100):
        real = RealExamples(source, draws.selection(0), n, is_selection=True)
        assert torch.equal(real.points().x, kept.selection(draws.selection(0), n).x)
        images, identity, _ = real.images()
        assert (images.name, images.n) == ("digits, selection draw 2000000000", n)
        assert identity["dataset"] == source.identity


def test_every_curve_asks_for_its_own_part(selecting, tmp_path, monkeypatch):
    asked, selection = [], CheckedSource.selection
    monkeypatch.setattr(CheckedSource, "selection", lambda self, draw, n: asked.append((draw, n)) or selection(self, draw, n))
    jobs.run_cell(selecting, RunsFolder(tmp_path / "runs"), JobOptions("cpu"))
    assert asked == [(draws.selection(1), 30)]
