"""Stage 5: every number can be worked out from the sets, the metric and one seed; and is measured once."""

import dataclasses
import math
from collections import Counter

import pytest
import torch
from pixel_features import COMPONENT, PixelFeatures
from stage_parts import GAP, NOISE, SHIFT, MeanGap, Noise, Shift, resolved

from harness.board.bases import Examples
from harness.board.columns import Column, Floor
from harness.board.schema import MetricConfig
from harness.errors import Diverged, Interrupted, UserError
from harness.images.quantise import to_uint8
from harness.interfaces import Batch
from harness.process import stop
from harness.stages import draws, metrics, sample
from harness.stages.example_sets import SAMPLES, spread_rows
from harness.streams import stream
from harness.weights import state_dicts

PIXELS = resolved(COMPONENT)


def approx(values):
    """Means of 30 to 60 float32 numbers near 1, which a tensor read from a file adds up in another order."""
    return pytest.approx(values, abs=1e-6)


def column(metric=SHIFT, extractor=None, *, draws=2, **config):
    return Column("column", "column", resolved(metric), MetricConfig(**config), draws, 3, extractor)


@pytest.fixture
def measured(cells, source, context, tune):
    """A cell with one column, taken through its stages: its sample sets, and the column's values."""

    def run(chosen, name="small/mle/s1"):
        cell = cells[name]
        cell = dataclasses.replace(cell, row=dataclasses.replace(cell.row, columns=(chosen,)))
        samples = sample.run(cell, tune(cell), source, context).output
        return state_dicts.load(samples.folder / SAMPLES), metrics.run(cell, samples, source, context)["column"].measured

    return run


def test_a_cell_is_compared_with_the_real_draws_of_its_seed(measured, source):
    sets, found = measured(column())
    expected = [float(sets[f"x.{draw}"].mean() - source.evaluation(1000 + draw, 30).x.mean()) for draw in range(2)]
    assert found.values == approx(expected)
    assert found.seconds > 0


def test_a_metrics_own_randomness_is_of_seed_and_draw(measured):
    _, found = measured(column())
    expected = [float(torch.rand((), generator=stream(1000 + draw, "metric/shift"))) for draw in range(2)]
    assert found.also == {"random": expected}


def test_a_column_may_compare_with_training_data(measured, source, context):
    sets, found = measured(column(against="train", draws=1))
    assert found.values == approx([float(sets["x.0"].mean() - source.train().x[:30].mean())])


def test_a_pair_is_measured_once_and_again_by_another_metric(measured, monkeypatch):
    first = measured(column())[1]
    calls = []
    call = Shift.__call__
    monkeypatch.setattr(Shift, "__call__", lambda self, *sets: calls.append(1) or call(self, *sets))
    assert measured(column())[1] == first
    assert calls == []
    measured(column(dataclasses.replace(SHIFT, version="2")))  # the version that a board resolves is what counts
    assert calls == []
    measured(dataclasses.replace(column(), metric=dataclasses.replace(resolved(SHIFT), version="2/1")))
    assert len(calls) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_a_divergence(measured, monkeypatch, value):
    monkeypatch.setattr(Shift, "__call__", lambda *_: {"shift": value})
    with pytest.raises(Diverged, match=f"^column is {value}$"):
        measured(column())


def test_a_value_above_the_columns_limit_is_a_divergence(measured, monkeypatch):
    monkeypatch.setattr(Shift, "__call__", lambda *_: {"shift": 2.5})
    assert measured(column(explodes_above=2.5))[1].values == [2.5, 2.5]
    with pytest.raises(Diverged, match=r"^column is 2\.5, above 2\.4$"):
        measured(column(explodes_above=2.4))


def test_a_value_that_the_metric_cannot_have_is_refused(measured, monkeypatch, tiny, context):
    share = dataclasses.replace(SHIFT, highest=1.0)
    monkeypatch.setattr(Shift, "__call__", lambda *_: {"shift": 1.375})
    with pytest.raises(
        UserError, match=r"^column is 1\.375, and the highest value of shift is 1: either the metric is wrong, or"
    ):
        measured(column(share))
    with pytest.raises(UserError, match=r"^column is 1\.375"):
        metrics.floor(Floor(tiny.dataset, column(share), 30), context)
    assert measured(column())[1].values == [1.375, 1.375]


def test_a_floor_that_is_not_a_number_is_refused(monkeypatch, tiny, context):
    monkeypatch.setattr(Shift, "__call__", lambda *_: {"shift": math.nan})
    with pytest.raises(UserError, match=r"^column is nan"):
        metrics.floor(Floor(tiny.dataset, column(), 30), context)


def test_examples_are_compared_with_the_neighbouring_draw(cells, source, context, tiny):
    cell = cells["small/none/s1"]
    base = dataclasses.replace(cell.base, origin=Examples(tiny.dataset))
    cell = dataclasses.replace(cell, row=dataclasses.replace(cell.row, base=base, columns=(column(),)))
    samples = sample.run_examples(cell, cell.base.origin, source, context).output
    found = metrics.run(cell, samples, source, context)["column"].measured
    pairs = [draws.examples_for_samples(1, draw) for draw in range(2)]
    assert found.values == approx(
        [float(source.evaluation(a, 30).x.mean() - source.evaluation(b, 30).x.mean()) for a, b in pairs]
    )


def test_a_floor_compares_independent_real_draws(tiny, source, context):
    found = metrics.floor(Floor(tiny.dataset, column(), 30), context).measured
    pairs = [draws.floor(pair) for pair in range(3)]
    assert found.values == approx(
        [float(source.evaluation(b, 30).x.mean() - source.evaluation(a, 30).x.mean()) for a, b in pairs]
    )
    assert found.also["random"] == [float(torch.rand((), generator=stream(pair, "metric/shift"))) for pair in range(3)]


def test_a_floor_against_training_data_compares_a_draw_with_them(tiny, source, context):
    found = metrics.floor(Floor(tiny.dataset, column(against="train"), 30), context).measured
    training = source.train().x[:30].mean()
    assert found.values == approx([float(source.evaluation(draws.floor(pair)[1], 30).x.mean() - training) for pair in range(3)])


@pytest.fixture
def of_noise(cells):
    """Take a cell whose samples are examples of `Noise` through its stages in a job; returns its values by column."""

    def run(context, *columns, sets=2):
        cell, source = cells["small/none/s1"], context.dataset(NOISE)
        base = dataclasses.replace(cell.base, dataset=NOISE, origin=Examples(NOISE))
        evaluation = cell.evaluation.model_copy(update={"draws": sets})
        cell = dataclasses.replace(cell, row=dataclasses.replace(cell.row, base=base, evaluation=evaluation, columns=columns))
        samples = sample.run_examples(cell, base.origin, source, context).output
        return {name: by_code.measured.values for name, by_code in metrics.run(cell, samples, source, context).items()}

    return run


def test_a_cell_and_a_floor_are_measured_again_where_the_dataset_holds_other_data(new_context, of_noise, monkeypatch):
    def measure():
        context = new_context()
        return of_noise(context, column())["column"], metrics.floor(Floor(NOISE, column(), 30), context).measured.values

    first, floor = measure()
    assert measure() == (first, floor)
    evaluation = Noise.evaluation
    with monkeypatch.context() as edited:  # a file behind the dataset changes, and the cell's samples stay
        edited.setattr(Noise, "fingerprint", "noise-2")
        edited.setattr(Noise, "evaluation", lambda self, draw, n: Batch(evaluation(self, draw, n).x / 2))
        second, halved = measure()
    assert all(new != old for new, old in zip(second, first, strict=True))
    assert halved == approx([value / 2 for value in floor])
    assert measure() == (first, floor), "the data are as they were"


@pytest.mark.parametrize("sets", [2, 6])
def test_columns_share_the_features_of_a_draw_however_many_draws_there_are(context, of_noise, monkeypatch, sets):
    compared, call = [], MeanGap.__call__
    monkeypatch.setattr(MeanGap, "__call__", lambda self, *pair: compared.append(pair) or call(self, *pair))
    first = dataclasses.replace(column(GAP, PIXELS, draws=sets), name="first")
    again = dataclasses.replace(first, name="again", metric=dataclasses.replace(first.metric, version="2/1"))
    few = dataclasses.replace(first, name="few", draws=1, metric=dataclasses.replace(first.metric, version="3/1"))
    values = of_noise(context, first, again, few, sets=sets)
    assert values["first"] == values["again"]
    assert [len(values[name]) for name in ("first", "again", "few")] == [sets, sets, 1]
    assert values["few"] == values["first"][:1]
    for side in (0, 1):  # what a metric works out of features is kept at the object that holds them
        assert sorted(Counter(id(pair[side]) for pair in compared).values()) == [2] * (sets - 1) + [3]


@pytest.fixture
def seen(monkeypatch):
    """The numbers of images that went through the extractor, batch by batch."""
    counts, forward = [], PixelFeatures.forward
    monkeypatch.setattr(PixelFeatures, "forward", lambda self, x: counts.append(len(x)) or forward(self, x))
    return counts


def test_a_column_may_compare_with_the_whole_training_set_whose_features_are_made_once(context, seen):
    whole = column(GAP, PIXELS, against="train-all")
    found = metrics.floor(Floor(NOISE, whole, 40), context).measured
    source, extractor = context.dataset(NOISE), PixelFeatures()
    training = extractor(to_uint8(source.train().x))["features"].double().mean(0)
    assert sum(seen) - 100 == 100 + 3 * 40  # the training set once, for three pairs; 100 more are of this test
    for value, pair in zip(found.values, range(3), strict=True):
        real = extractor(to_uint8(source.evaluation(draws.floor(pair)[1], 40).x))["features"].double().mean(0)
        assert value == pytest.approx(float((real - training).abs().sum()), rel=1e-5)
    assert found.also == {"images": [40.0] * 3}  # as many generated ones as the board says
    seen.clear()
    metrics.floor(Floor(NOISE, whole, 30), context)  # another number of samples
    assert sum(seen) == 3 * 30


def test_a_part_of_the_training_set_is_not_the_whole_of_it(context, seen):
    some, whole = (
        metrics.floor(Floor(NOISE, column(GAP, PIXELS, against=against), 40), context).measured
        for against in ("train", "train-all")
    )
    assert some.values != whole.values
    assert sum(seen) == 40 + 100 + 3 * 40


def test_a_metric_on_features_compares_with_images_over_the_whole_training_set(context):
    found = metrics.floor(Floor(NOISE, column(GAP, PIXELS, against="train"), 40), context).measured
    source, extractor = context.dataset(NOISE), PixelFeatures()
    training = extractor(to_uint8(source.train().x[spread_rows(40, 100)]))["features"].double().mean(0)
    for value, pair in zip(found.values, range(3), strict=True):
        real = extractor(to_uint8(source.evaluation(draws.floor(pair)[1], 40).x))["features"].double().mean(0)
        assert value == pytest.approx(float((real - training).abs().sum()), rel=1e-5)


def test_a_value_that_is_kept_of_the_first_training_images_is_not_taken():
    assert metrics._real_identity(column(GAP, PIXELS, against="train"), 0) == ["train", "spread"]
    assert metrics._real_identity(column(against="train"), 0) == "train"
    assert metrics._real_identity(column(GAP, PIXELS, against="train-all"), 0) == "train-all"


def test_a_cell_is_compared_with_the_whole_training_set(measured, source, context):
    sets, found = measured(column(against="train-all", draws=2))
    training = source.train().x.mean()
    assert found.values == approx([float(sets[f"x.{draw}"].mean() - training) for draw in range(2)])


def test_a_column_may_compare_with_the_curves_examples(measured, source, context):
    sets, found = measured(column(against="selection", draws=2))
    real = source.evaluation(draws.selection(1), 30).x.mean()  # a dataset that draws without end gives the curve a draw apart
    assert found.values == approx([float(sets[f"x.{draw}"].mean() - real) for draw in range(2)])


def test_a_floor_against_the_curves_examples_compares_a_draw_with_them(tiny, source, context):
    found = metrics.floor(Floor(tiny.dataset, column(against="selection"), 30), context).measured
    pairs = [(draws.selection(pair), draws.floor(pair)[1]) for pair in range(3)]
    assert found.values == approx(
        [float(source.evaluation(b, 30).x.mean() - source.evaluation(a, 30).x.mean()) for a, b in pairs]
    )


def test_a_floor_stops_between_two_pairs(tiny, context):
    stop.request()
    with pytest.raises(Interrupted):
        metrics.floor(Floor(tiny.dataset, column(), 30), context)


def test_floors_of_two_metrics_share_their_pass_and_their_real_images(context, monkeypatch):
    seen, forward = [], PixelFeatures.forward
    monkeypatch.setattr(PixelFeatures, "forward", lambda self, x: seen.append(len(x)) or forward(self, x))
    other = dataclasses.replace(GAP, summary="another", needs_features=frozenset({"moments", "features"}))
    both = tuple(column(metric, PIXELS) for metric in (GAP, other))
    first, second = (metrics.floor(Floor(NOISE, chosen, 40, both), context).measured for chosen in both)
    assert sum(seen) == 3 * 2 * 40
    assert Noise.drawn == 6
    assert first.values == second.values
    assert first.also == {"images": [40.0] * 3}


def test_a_floor_on_features_is_the_metric_of_the_two_sets_features(context):
    found = metrics.floor(Floor(NOISE, column(GAP, PIXELS), 40), context).measured
    source, extractor = context.dataset(NOISE), PixelFeatures()
    for value, pair in zip(found.values, range(3), strict=True):
        means = [extractor(to_uint8(source.evaluation(draw, 40).x))["features"].double().mean(0) for draw in draws.floor(pair)]
        assert value == pytest.approx(float((means[0] - means[1]).abs().sum()), rel=1e-5)
