"""Precision, recall, density and coverage by plain loops over images, and in cases that can be drawn on paper."""

import numpy as np
import pytest
import torch

from harness import UserError
from harness.features import FeatureSet
from harness_image_metrics import NeighboursConfig, neighbours

NAMES = ("precision", "recall", "density", "coverage")


def features(n, d=3, seed=0, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((n, d)) + shift).astype(np.float32)


def measured(generated, real, k=3):
    sets = [FeatureSet.of_rows("rows", features=np.asarray(rows, np.float32)) for rows in (generated, real)]
    made = [getattr(neighbours, name)(NeighboursConfig(k=k)) for name in NAMES]
    return {name: found for metric in made for name, found in metric(*sets, torch.Generator()).items()}


def by_loops(x, y, k):
    """The four formulas, image by image."""
    x, y = x.astype(np.float64), y.astype(np.float64)

    def radii(rows):
        return [sorted(np.linalg.norm(rows - row, axis=1))[k] for row in rows]

    of_x, of_y = radii(x), radii(y)
    apart = np.linalg.norm(x[:, None] - y[None], axis=2)
    in_real = [[apart[j, i] <= of_y[i] for i in range(len(y))] for j in range(len(x))]
    in_generated = [[apart[j, i] <= of_x[j] for j in range(len(x))] for i in range(len(y))]
    return {
        "precision": np.mean([any(row) for row in in_real]),
        "recall": np.mean([any(row) for row in in_generated]),
        "density": np.sum(in_real) / (k * len(x)),
        "coverage": np.mean([any(in_real[j][i] for j in range(len(x))) for i in range(len(y))]),
    }


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize(("n", "m", "shift"), [(40, 40, 0.0), (30, 55, 1.0), (55, 30, 2.0)])
def test_the_four_are_their_formulas_image_by_image(n, m, shift, k):
    x, y = features(n, shift=shift), features(m, seed=1)
    assert measured(x, y, k) == pytest.approx(by_loops(x, y, k))


@pytest.mark.parametrize("block", [1, 7, 64])
def test_tiles_of_any_size_give_the_same(monkeypatch, block):
    x, y = features(40, shift=0.5), features(33, seed=1)
    monkeypatch.setattr(neighbours, "BLOCK", block)
    assert measured(x, y) == pytest.approx(by_loops(x, y, 3))


def test_sets_far_apart_have_nothing_in_common():
    assert measured(features(20), features(20, seed=1, shift=100.0)) == dict.fromkeys(NAMES, 0.0)


def test_a_set_and_itself_have_all_in_common():
    x = features(20)
    found = measured(x, x.copy())
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    assert found["density"] == pytest.approx(by_loops(x, x, 3)["density"])


def test_images_of_one_mode_are_precise_and_recall_little():
    """Real images around 0 and around 50; generated ones around 0 alone."""
    x, y = features(40), np.concatenate([features(40, seed=1), features(40, seed=2, shift=50.0)])
    found = measured(x, y)
    assert found["precision"] > 0.8
    assert found["recall"] < 0.6
    assert 0.2 < found["coverage"] < 0.5
    back = measured(y, x)  # two modes against one: half of the images are nowhere near the data
    assert back["precision"] < 0.6
    assert back["recall"] > 0.8


def test_an_outlier_among_the_real_images_makes_precision_forgiving_and_density_not():
    """Generated images at 30, real ones around 0, and one real image at 60 whose ball reaches back to them."""
    x, y = features(20, shift=30.0), np.concatenate([features(50, seed=1), np.full((1, 3), 60, np.float32)])
    found = measured(x, y)
    assert found["precision"] == 1
    assert found["density"] == pytest.approx(1 / 3)  # one ball of three
    assert found["coverage"] == pytest.approx(1 / 51)


def test_points_on_a_line_by_hand():
    """Real 0, 1, 3 with k = 1: balls of radius 1, 1, 2. Generated 1.5, 4.9, 9: in two balls, one, and none."""
    found = measured(np.array([[1.5], [4.9], [9.0]]), np.array([[0.0], [1.0], [3.0]]), k=1)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["density"] == pytest.approx(3 / 3)
    assert found["coverage"] == pytest.approx(2 / 3)  # the balls of 1 and of 3
    # Generated balls have radii 3.4, 3.4, 4.1: 0, 1 and 3 are in that of 1.5.
    assert found["recall"] == 1


def test_a_point_at_the_very_edge_of_a_ball_is_inside():
    found = measured(np.array([[2.0], [50.0]]), np.array([[0.0], [1.0]]), k=1)
    assert found["precision"] == 0.5  # 2 is at distance 1 from 1, whose radius is 1


def test_a_common_shift_of_both_sets_changes_nothing():
    x, y = features(30), features(30, seed=1)
    assert measured(x + 1000, y + 1000) == measured(x, y)


def test_k_images_or_fewer_are_refused():
    with pytest.raises(UserError, match="the distance to neighbour 5 needs more than 5 images, got 5"):
        measured(features(5), features(20, seed=1), k=5)


def test_more_neighbours_than_a_pass_remembers_take_a_pass_of_their_own():
    x, y = features(40), features(40, seed=1)
    k = neighbours.NEIGHBOURS + 4
    assert measured(x, y, k) == pytest.approx(by_loops(x, y, k))
