"""A plan knows what its metrics need of each set."""

import pytest


@pytest.fixture
def sets(make_source, random_images):
    return [make_source(name, random_images(seed)) for seed, name in enumerate(("first", "second", "real"))]


def test_the_sources_are_the_sample_sets_and_then_the_reference(make_plan, sets):
    *samples, reference = sets
    assert make_plan(samples, reference).sources == sets
    assert make_plan(samples).sources == samples


def test_needs_are_those_of_all_metrics_together(make_plan, sets):
    *samples, reference = sets
    plan = make_plan(samples, reference, fid={}, kid={}, **{"is": {}})
    assert plan.sample_needs == {"moments", "features", "logits"}
    assert plan.reference_needs == {"moments", "features"}  # the Inception Score looks at generated images alone


def test_statistics_to_write_need_all_moments_that_the_extractor_gives(make_plan, sets, tmp_path):
    plan = make_plan(sets[:1], write_statistics=tmp_path / "x.npz", **{"is": {}})
    assert plan.sample_needs == {"logits", "moments", "spatial"}
    assert plan.reference_needs == set()


def test_a_metric_needs_less_of_the_reference_than_of_samples_where_it_says_so(make_plan, sets):
    plan = make_plan(sets[:1], sets[2], **{"fid": {}, "fid-se": {}})
    fid, standard_error = plan.metrics
    assert plan.needs_of(fid, sets[0]) == plan.needs_of(fid, sets[2]) == {"moments"}
    assert plan.needs_of(standard_error, sets[0]) == {"moments", "features"}
    assert plan.needs_of(standard_error, sets[2]) == {"moments"}


def test_the_outputs_are_those_of_the_extractor(make_plan, sets):
    assert make_plan(sets[:1]).outputs == {"features": 6, "logits": 4, "spatial": 5}
