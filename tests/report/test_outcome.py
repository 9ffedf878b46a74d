import math

import pytest

from harness.report.outcome import outcome_of_json, outcome_of_record
from harness.store.records import ExtractorFacts, FloorRecord, Measured, save_record


@pytest.fixture
def record(board, make_record):
    """A record of `net/fit/s1`."""
    return make_record(board.cells[4])


@pytest.fixture
def content(tmp_path):
    """Returns a record's JSON as a file holds it."""

    def content(record):
        save_record(record, tmp_path / "record.json")
        return (tmp_path / "record.json").read_bytes()

    return content


def test_an_outcome_holds_what_the_record_says(record):
    outcome = outcome_of_record(record)
    assert (outcome.cell, outcome.key, outcome.status, outcome.reason) == ("net/fit/s1", record.key, "done", "")
    assert (outcome.nfe, outcome.network_evaluations, outcome.images_seen) == (10, 12_800, 1280)
    assert (outcome.seconds_finetune, outcome.seconds_sample, outcome.peak_memory_bytes) == (3.2, 0.4, 300_000_000)
    assert (outcome.samples_sha256, outcome.base_weights_sha256) == ("samples-net/fit/s1", "b" * 64)
    assert outcome.curve == tuple((point.images, point.value) for point in record.curve)


def test_a_base_has_the_weights_that_the_record_started_from_or_called(record):
    outcome = outcome_of_record(record.model_copy(update={"called_weights_sha256": {"guide": "c" * 64}}))
    assert [outcome.weights_of(key, "own") for key in ("own", "guide", "other")] == ["b" * 64, "c" * 64, ""]


def test_each_metric_has_its_mean_and_minimum_over_draws(record):
    metrics = {"distance": Measured(values=[3.0, 1.0, 2.0], seconds=0.5), "likeness": Measured(values=[0.5], seconds=0.25)}
    outcome = outcome_of_record(record.model_copy(update={"metrics": metrics}))
    assert outcome.means == {"distance": 2.0, "likeness": 0.5}
    assert outcome.minima == {"distance": 1.0, "likeness": 0.5}
    assert outcome.seconds_metrics == 0.75


def test_a_metric_without_values_is_left_out(record):
    outcome = outcome_of_record(record.model_copy(update={"metrics": {"distance": Measured(values=[], seconds=2.0)}}))
    assert outcome.means == outcome.minima == {}
    assert outcome.seconds_metrics == 0


def test_facts_of_the_environment_are_text(record):
    assert outcome_of_record(record).environment == (("python", "3.11.7"), ("torch", "2.4.0"), ("cpu_threads", "1"))


def test_the_fast_way_and_the_checked_one_give_the_same(record, content):
    facts = ExtractorFacts(name="net", version="1/1", settings={"a": 1}, weights_sha256="c" * 64, preprocessing="grey")
    for changes in ({}, {"size": 500}, {"extractors": {"net": facts}}, {"status": "failed", "reason": "boom", "metrics": {}}):
        changed = record.model_copy(update=changes)
        assert outcome_of_json(content(changed)) == outcome_of_record(changed)


def test_a_cell_of_one_of_several_sizes_is_named_with_it(record):
    assert outcome_of_record(record.model_copy(update={"size": 500})).cell == "net/fit/n500/s1"


def test_extractors_are_in_the_outcome(record):
    facts = ExtractorFacts(name="net", version="1/1", settings={}, weights_sha256="c" * 64, preprocessing="grey")
    outcome = outcome_of_record(record.model_copy(update={"extractors": {"net": facts}}))
    assert outcome.extractors == (("net", "c" * 64, "grey"),)


def test_what_only_a_checked_reader_can_tell_apart_is_left_to_it(record, content):
    nan = record.model_copy(update={"metrics": {"distance": Measured(values=[math.nan])}})
    floor = FloorRecord(board="b", metric="m", key="0" * 24, values=[1.0])
    newer = record.model_copy(update={"schema_version": 2})
    for other in (nan, floor, newer):
        assert outcome_of_json(content(other)) is None
    assert outcome_of_json(b"no JSON at all") is None


def test_values_that_are_not_finite_pass_the_checked_way(record):
    outcome = outcome_of_record(record.model_copy(update={"metrics": {"distance": Measured(values=[math.nan, 1.0])}}))
    assert math.isnan(outcome.means["distance"])
