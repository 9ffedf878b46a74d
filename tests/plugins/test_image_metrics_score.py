"""The Inception Score by hand, and what two metrics of one pair of sets share."""

import functools
import math

import numpy as np
import pytest
import torch

from harness import UserError
from harness.features import FeatureSet
from harness_image_metrics import InceptionScoreConfig
from harness_image_metrics.inception_score import InceptionScore, _score
from harness_image_metrics.pairs import remembered_of_pair


def logits_of(probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).log()


def value(logits, **settings):
    rows = FeatureSet.of_rows("rows", logits=np.asarray(logits, np.float32))
    return InceptionScore(InceptionScoreConfig(**settings))(rows, FeatureSet("none", 0), torch.Generator())


def test_sure_images_of_every_class_score_the_number_of_classes():
    assert value(100 * np.eye(6), splits=1)["is"] == pytest.approx(6)


def test_images_that_are_all_alike_score_one():
    assert value(np.tile([[1.0, -2.0, 0.5]], (8, 1)), splits=2) == pytest.approx({"is": 1, "is sd": 0}, abs=1e-9)


def test_two_images_by_hand():
    # p = (0.9, 0.1) and (0.3, 0.7), marginal (0.6, 0.4).
    divergences = [
        0.9 * math.log(0.9 / 0.6) + 0.1 * math.log(0.1 / 0.4),
        0.3 * math.log(0.3 / 0.6) + 0.7 * math.log(0.7 / 0.4),
    ]
    assert _score(logits_of([[0.9, 0.1], [0.3, 0.7]])) == pytest.approx(math.exp(sum(divergences) / 2))


def test_the_mean_divergence_is_the_entropy_of_the_mean_less_the_mean_entropy():
    logits = torch.randn(40, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = logits.softmax(1)
    entropy = torch.special.entr(p.mean(0)).sum() - torch.special.entr(p).sum(1).mean()
    assert _score(logits) == pytest.approx(entropy.exp().item())


def test_a_class_of_probability_0_is_no_nan():
    assert _score(torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]]).double().clamp(min=-1e4)) == pytest.approx(1)


def test_a_constant_added_to_all_logits_changes_nothing():
    logits = np.random.default_rng(0).standard_normal((30, 5))
    assert value(logits + 7, splits=3)["is"] == pytest.approx(value(logits, splits=3)["is"], rel=1e-6)


def test_the_value_and_its_deviation_are_over_splits_in_the_seeds_order():
    logits = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    order = np.random.RandomState(4).permutation(30)
    scores = [_score(torch.from_numpy(logits[order[start : start + 10]]).double()) for start in (0, 10, 20)]
    found = value(logits, splits=3, seed=4)
    assert found["is"] == pytest.approx(np.mean(scores))
    assert found["is sd"] == pytest.approx(np.std(scores))


def test_splits_that_do_not_divide_the_images_differ_by_one():
    assert value(np.random.default_rng(0).standard_normal((10, 3)), splits=4)["is"] >= 1


def test_fewer_images_than_splits_are_refused():
    with pytest.raises(UserError, match="is splits the images in 10 parts, and there are 9; set splits to at most 9"):
        value(np.zeros((9, 3)))


def pair():
    return [FeatureSet.of_rows("rows", features=np.random.default_rng(seed).standard_normal((9, 2))) for seed in (0, 1)]


def test_what_two_metrics_share_is_made_once_for_a_pair_and_a_name():
    generated, real = pair()
    made = []
    for name in ("a", "a", "b", "a"):
        remembered_of_pair(generated, real, name, functools.partial(made.append, name))
    assert made == ["a", "b"]
    other = pair()[1]
    assert remembered_of_pair(generated, other, "a", lambda: "new") == "new"


def test_a_real_set_that_is_gone_leaves_no_result_to_a_new_one_at_its_place():
    """Sets are told apart by their place in memory, so the result holds its set."""
    generated, real = pair()
    place = id(real)
    remembered_of_pair(generated, real, "a", lambda: "old")
    del real
    others = [pair()[1] for _ in range(200)]
    assert place not in {id(other) for other in others}
