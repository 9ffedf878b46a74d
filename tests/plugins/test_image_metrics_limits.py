"""How many images each metric needs: the smallest number that passes, and the message of one fewer."""

import pytest

from harness import UserError
from harness.components import Metric, MetricUsage
from harness.plugins import registry
from harness_image_metrics import FrechetConfig, KernelConfig, StandardErrorConfig, limits

OUTPUTS = {"features": 12, "spatial": 20, "logits": 10}


def check(name, images, **settings):
    metric = registry().get(Metric, name, where="test")
    metric.check_usage(metric.config(**settings), MetricUsage(images, OUTPUTS))


@pytest.mark.parametrize(
    ("name", "settings", "least"),
    [
        ("fid", {}, 13),
        ("fd", {}, 13),
        ("sfid", {}, 21),
        ("fid-se", {}, 13),
        ("fid-se", {"by": "bootstrap"}, 13),
        ("fid-se", {"by": "split-half"}, 26),
        ("fid", {"few_images": True}, 2),
        ("kid", {"subset_size": 30}, 30),
        ("is", {"splits": 7}, 7),
        ("precision", {"k": 4}, 5),
        ("recall", {"k": 4}, 5),
        ("density", {}, 6),
        ("coverage", {}, 6),
    ],
)
def test_the_smallest_number_of_images_passes_and_one_fewer_is_refused(name, settings, least):
    check(name, least, **settings)
    with pytest.raises(UserError):
        check(name, least - 1, **settings)


@pytest.mark.parametrize("name", ["fid", "sfid", "fid-se", "kid", "is", "precision"])
def test_statistics_that_do_not_say_of_how_many_images_are_taken(name):
    check(name, None)


def test_one_image_has_no_covariance_even_where_few_are_allowed():
    with pytest.raises(UserError, match="a Fréchet distance needs at least 2 images, got 1"):
        limits.enough_for_features(FrechetConfig(few_images=True), MetricUsage(1, OUTPUTS))


def test_the_message_about_halves_says_whose_number_it_is():
    with pytest.raises(UserError, match=r"split-half measures half of the 20 images.*For a half, a Fréchet .*got 10"):
        limits.enough_for_standard_error(StandardErrorConfig(by="split-half"), MetricUsage(20, OUTPUTS))


@pytest.mark.parametrize(
    ("name", "images", "advice"),
    [
        ("kid", 5, "set subset_size to at most 5"),
        ("kid", 1, "kid needs at least 2 images, got 1$"),
        ("precision", 3, "needs more than 3 images, got 3; set k to at most 2$"),
        ("precision", 1, "needs more than 3 images, got 1$"),
        ("is", 5, "set splits to at most 5"),
        ("fid", 5, "Use kid, .* few_images: true"),
    ],
)
def test_every_message_says_what_to_set(name, images, advice):
    with pytest.raises(UserError, match=advice):
        check(name, images)


@pytest.mark.parametrize(("own", "smoke"), [(1000, 16), (3, 3)])
def test_a_smoke_run_never_has_larger_subsets_than_the_board(own, smoke):
    kid = registry().get(Metric, "kid", where="test")
    assert kid.smoke_settings(KernelConfig(subset_size=own))["subset_size"] == smoke
