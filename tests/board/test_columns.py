import hashlib
import json
from dataclasses import replace

import pytest

from harness.board.columns import Column, Floor, column_label
from harness.board.components import Resolved
from harness.board.schema import MetricConfig
from harness.components import Dataset, Extractor, Metric
from harness.config import NoConfig
from harness.images.extraction_settings import ExtractionSettings
from harness.presets import WeightsFile
from harness.references import Reference


def resolved(component):
    return Resolved(component, NoConfig(), "test", "1/1")


FID = resolved(Metric("fid", build="a:b", summary="", needs_features=frozenset({"moments"}), unit="px"))
PRECISION = resolved(Metric("precision", build="a:b", summary="", higher_is_better=True))
INCEPTION_SCORE = resolved(
    Metric("is", build="a:b", summary="", needs_features=frozenset({"logits"}), needs_reference=frozenset())
)
INCEPTION = resolved(Extractor("inception", build="a:b", summary="", outputs={"features": 8}))
RING = resolved(Dataset("ring", build="a:b", summary=""))


def column(metric=FID, extractor=INCEPTION, draws=3, floor_pairs=10, **settings):
    return Column("fid[inception]", "FID", metric, MetricConfig(**settings), draws, floor_pairs, extractor)


def floor(size=None, samples=100, dataset=RING, **settings):
    return Floor(dataset, column(**settings), samples, size=size)


def identity(name):
    return {"name": name, "version": "1/1", "settings": {}}


def digest(**inputs):
    text = json.dumps({**inputs, "core": 1}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@pytest.mark.parametrize(
    ("name", "samples", "label"),
    [
        ("fid[inception]", 50_000, "fid-50k[inception]"),
        ("fid[inception]", 500, "fid-500[inception]"),
        ("fid[inception]", 1_500, "fid-1500[inception]"),
        ("w2", 50_000, "w2"),
    ],
)
def test_the_label_of_a_metric_on_features_says_of_how_many_images(name, samples, label):
    assert column_label(name, samples) == label


def test_the_digest_of_a_column_holds_metric_extractor_reference_and_draws():
    assert column().key_digest == digest(
        metric=identity("fid"), against="evaluation", draws=3, extractor=identity("inception")
    )  # fmt: skip
    assert column(extractor=None).key_digest == digest(metric=identity("fid"), against="evaluation", draws=3)


def test_the_precision_of_features_is_part_of_digest_and_floor_and_the_batch_is_not():
    def extracted(**settings):
        return replace(column(), extraction=ExtractionSettings(**settings))

    plain, half = extracted(batch=7), extracted(precision="bf16")
    assert plain.key_digest == column().key_digest
    assert half.key_digest not in (plain.key_digest, extracted(precision="fp16").key_digest)
    assert replace(floor(), column=plain).key == floor().key
    assert replace(floor(), column=half).key != floor().key
    assert replace(half, extractor=None).key_digest == column(extractor=None).key_digest  # no features, no precision


def test_how_a_column_is_shown_is_no_part_of_its_digest():
    shown = column(label="FID", shown_in=0.01, digits=4, show="minimum", ranks=False, explodes_above=9.0, floor_pairs=2)
    assert shown.key_digest == column().key_digest


@pytest.mark.parametrize("change", [{"metric": PRECISION}, {"extractor": None}, {"draws": 1}, {"against": "train"}])
def test_what_is_measured_changes_the_digest(change):
    assert column(**change).key_digest != column().key_digest


def test_a_part_of_the_training_images_is_another_than_that_of_earlier_versions():
    """They took the first images. The examples of other metrics, and whole training sets, are the same as then."""
    first = {"against": "train", "draws": 3}
    assert column(against="train").key_digest != digest(metric=identity("fid"), extractor=identity("inception"), **first)
    assert column(extractor=None, against="train").key_digest == digest(metric=identity("fid"), **first)
    assert column(against="train-all").key_digest == digest(
        metric=identity("fid"), extractor=identity("inception"), against="train-all", draws=3
    )
    of_floor = {"stage": "floor", "dataset": identity("ring"), "metric": identity("fid"), "samples": 100, "pairs": 10}
    assert floor(against="train").key != digest(**of_floor, against="train", extractor=identity("inception"))
    assert floor(against="train-all").key == digest(**of_floor, against="train-all", extractor=identity("inception"))


def test_a_column_says_what_the_board_and_the_metric_say_of_it():
    plain = column()
    assert (plain.higher_is_better, plain.unit, plain.ranks, plain.shown_in, plain.digits) == (False, "px", True, 1.0, 2)
    assert (plain.statistics, plain.explodes_above, plain.compares_with_training) == (["mean"], None, False)
    other = column(
        PRECISION, shown_in=0.01, digits=4, show=["mean", "minimum"], ranks=False, explodes_above=9.0, against="train"
    )  # fmt: skip
    assert (other.higher_is_better, other.unit, other.ranks, other.shown_in, other.digits) == (True, "", False, 0.01, 4)
    assert (other.statistics, other.explodes_above, other.compares_with_training) == (["mean", "minimum"], 9.0, True)


def test_the_curves_examples_are_no_training_examples_and_no_draw_of_the_evaluation():
    searched = column(against="selection")
    assert (searched.compares_with_selection, searched.compares_with_training, searched.draws_real) == (True, False, False)
    assert not column().compares_with_selection


@pytest.mark.parametrize(
    ("is_alike", "settings"),
    [
        (True, {}),
        (True, {"against": "selection"}),
        (False, {"against": "train"}),
        (False, {"against": "train-all"}),
        (False, {"metric": PRECISION, "extractor": None, "against": "train"}),
        (True, {"metric": INCEPTION_SCORE, "against": "train"}),
    ],
)
def test_the_curve_measures_what_the_column_does_where_both_are_against_held_out_examples_or_none(is_alike, settings):
    assert column(**settings).compares_like_curve == is_alike


def test_the_curve_measures_something_else_than_a_distance_to_published_statistics():
    statistics = Reference("edm", WeightsFile("edm.npz"), 50_000, "CIFAR-10", (3, 32, 32), ("inception",))
    assert not replace(column(), reference=statistics).compares_like_curve


def test_a_floor_is_called_as_its_column_and_by_its_size_where_there_are_several():
    assert floor().name == "fid[inception]"
    assert floor(size=500).name == "fid[inception]__n500"


@pytest.mark.parametrize(
    ("is_one_sided", "settings"),
    [
        (False, {}),
        (False, {"metric": PRECISION, "extractor": None}),
        (True, {"against": "train"}),
        (True, {"against": "train-all"}),
        (True, {"against": "selection"}),
        (True, {"metric": INCEPTION_SCORE}),
    ],
)
def test_a_column_that_sees_no_evaluation_draw_of_real_examples_is_one_sided(is_one_sided, settings):
    assert column(**settings).is_one_sided == is_one_sided


def test_a_floor_has_its_columns_metric_and_pairs():
    assert (floor().metric, floor().pairs) == (FID, 10)


def test_the_key_of_a_floor_is_the_digest_of_what_it_measures():
    assert floor().key == digest(
        stage="floor", dataset=identity("ring"), metric=identity("fid"), against="evaluation", samples=100, pairs=10,
        extractor=identity("inception"),
    )  # fmt: skip


def test_a_cells_draws_and_the_name_of_the_size_do_not_change_the_floor():
    assert floor(draws=1, size=100).key == floor().key
    assert replace(floor(), columns=(column(), column(PRECISION))).key == floor().key


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 200},
        {"floor_pairs": 11},
        {"against": "train"},
        {"extractor": None},
        {"dataset": resolved(Dataset("square", build="a:b", summary=""))},
    ],
)
def test_what_the_floor_depends_on_changes_its_key(change):
    assert floor(**change).key != floor().key
