"""Whatever cannot be measured as planned is told before any image is looked at, everything at once."""

import pytest

from harness import Metric
from harness.errors import Faults
from harness.measure.named_components import resolve
from harness.measure.plan_checks import check_plan, suggested_setting

SUBSETS = {"subset_size": 10}
"""Settings of KID for sets of 20 images."""


@pytest.fixture
def faults():
    """Returns the faults of a plan, which are empty for a plan that can be measured."""

    def faults_of(plan):
        try:
            check_plan(plan)
        except Faults as error:
            return list(error.faults)
        return []

    return faults_of


@pytest.fixture
def samples(make_source, random_images):
    return make_source("samples", random_images(0))


@pytest.fixture
def real(make_source, random_images):
    return make_source("real", random_images(1))


def test_a_plan_that_can_be_measured_has_no_fault(make_plan, samples, real, faults, tmp_path):
    assert faults(make_plan([samples], real, fid={}, kid=SUBSETS, write_statistics=tmp_path / "new.npz")) == []
    assert faults(make_plan([samples], **{"is": {"splits": 2}})) == []


def test_repetitions_of_different_sizes_are_told_with_their_sizes(make_plan, make_source, random_images, samples, real, faults):
    other = make_source("other", random_images(2, n=19))
    assert faults(make_plan([samples, other], real, fid={})) == [
        "repetitions have the same number of images, and these have not: samples 20, other 19"
    ]


def test_metrics_that_compare_need_a_reference(make_plan, samples, faults):
    plan = make_plan([samples], fid={}, kid=SUBSETS, **{"is": {"splits": 2}})
    assert faults(plan) == ["--reference: fid, kid compares with a reference; name a folder, a file or a dataset"]


def test_too_few_images_are_told_with_the_setting_that_helps(make_plan, make_source, random_images, samples, faults):
    few = make_source("few", random_images(2, n=5))
    (fault,) = faults(make_plan([samples], few, fid={}))
    assert fault.startswith("few: a Fréchet distance of 6 features needs more than 6 images, got 5")
    assert fault.endswith("; here written --set fid.few_images=true")
    assert faults(make_plan([samples], few, fid={"few_images": True})) == []


@pytest.mark.parametrize(("metric", "least"), [("fid", 2), ("kid", 2), ("precision", 2)])
def test_no_setting_is_named_where_none_helps(make_plan, make_source, random_images, samples, faults, metric, least):
    one = make_source("one", random_images(2, n=1))
    (fault,) = faults(make_plan([samples], one, **{metric: SUBSETS if metric == "kid" else {}}))
    assert "--set" not in fault
    assert "at most" not in fault
    assert f"at least {least} images, got 1" in fault or "needs more than 3 images, got 1" in fault


def test_every_set_and_every_metric_is_checked(make_plan, make_source, random_images, faults):
    first, second = (make_source(name, random_images(seed, n=5)) for seed, name in enumerate("ab"))
    found = faults(make_plan([first], second, fid={}, kid=SUBSETS))
    assert [fault.partition(":")[0] for fault in found] == ["a", "a", "b", "b"]
    assert [fault.rpartition("--set ")[2] for fault in found] == ["fid.few_images=true", "kid.subset_size=VALUE"] * 2


def test_statistics_serve_moments_and_nothing_else(make_plan, make_source, make_statistics, samples, faults):
    statistics = make_source("statistics.npz", statistics=make_statistics(n=50_000))
    assert faults(make_plan([samples], statistics, fid={})) == []
    assert faults(make_plan([samples], statistics, fid={}, kid=SUBSETS, precision={})) == [
        "statistics.npz: statistics alone give no features, which kid, precision needs; give the images"
    ]


def test_the_number_that_counts_is_that_of_the_statistics_for_what_they_serve(
    make_plan, make_source, make_statistics, random_images, samples, faults
):
    # As in ADM's reference batches: moments of many images, and few images for what needs their features.
    both = make_source("both.npz", random_images(3, n=5), make_statistics(n=50_000))
    assert faults(make_plan([samples], both, fid={})) == []
    (fault,) = faults(make_plan([samples], both, fid={}, kid=SUBSETS))
    assert "kid draws subsets of 10 images, and there are 5" in fault


def test_an_unknown_number_of_images_is_not_too_few(make_plan, make_source, make_statistics, samples, faults):
    assert faults(make_plan([samples], make_source("x.npz", statistics=make_statistics(n=None)), fid={})) == []


def test_statistics_of_another_extractor_or_size_are_refused(
    make_plan, make_source, make_statistics, random_images, samples, faults
):
    other = make_source("x.npz", statistics=make_statistics(n=100, extractor="inception"))
    (fault,) = faults(make_plan([samples], other, fid={}))
    assert "statistics were made by the extractor inception, and this measures with pixels" in fault
    assert "--as-images" not in fault
    wide = make_source("x.npz", random_images(3), make_statistics(features=7))
    (fault,) = faults(make_plan([samples], wide, fid={}))
    assert "holds statistics of 7 features; the extractor gives 6; with --as-images its images are taken instead" in fault


def test_statistics_are_written_of_one_set_of_images(make_plan, make_source, make_statistics, samples, real, faults, tmp_path):
    target = tmp_path / "new.npz"
    one_set = "--write-statistics: takes one set of images"
    assert faults(make_plan([samples, real], write_statistics=target)) == [one_set]
    statistics = make_source("x.npz", statistics=make_statistics(spatial=5))
    assert faults(make_plan([statistics], write_statistics=target)) == [one_set]


def test_all_faults_come_at_once(make_plan, make_source, random_images, samples, faults, tmp_path):
    few = make_source("few", random_images(2, n=5))
    found = faults(make_plan([samples, few], fid={}, write_statistics=tmp_path / "x.pkl"))
    assert [fault.split(":")[0].split(" ")[0] for fault in found] == [
        "repetitions", "--reference", "few", "--write-statistics", "--write-statistics",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "message", "setting"),
    [
        ("fid", "needs more images, or few_images", "--set fid.few_images=true"),
        ("kid", "lower subset_size to 100", "--set kid.subset_size=VALUE"),  # and not `subsets`, which begins alike
        ("kid", "there are too few", ""),
        ("precision", "keep k below 3", "--set precision.k=VALUE"),
        ("precision", "too few for kid", ""),  # a letter of a word is no setting
    ],
)
def test_a_message_that_names_a_setting_is_translated_for_the_command_line(metric, message, setting):
    assert suggested_setting(resolve(Metric, metric, {}, where="test"), message) == setting
