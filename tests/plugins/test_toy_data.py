"""Toy datasets: shapes, scales, seeds."""

import numpy as np
import ot
import pydantic
import pytest
import torch

from harness.components import Dataset
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness_toy_data import MoonsConfig, PointsConfig
from harness_toy_data.points import FIRST_EVALUATION_SEED, swiss_roll, two_moons


def independent_moons(config):
    return two_moons(MoonsConfig(sampling="independent", **config.model_dump()))


def stratified_moons(config):
    return two_moons(MoonsConfig(**config.model_dump()))


BOTH = pytest.mark.parametrize("make", [swiss_roll, stratified_moons, independent_moons])
MOONS = pytest.mark.parametrize("make", [stratified_moons, independent_moons])


@BOTH
def test_training_points_are_float32_and_as_many_as_asked_for(make):
    x = make(PointsConfig(train_size=123)).train().x
    assert x.shape == (123, 2)
    assert x.dtype == torch.float32


@BOTH
def test_the_same_seed_gives_the_same_points_and_another_gives_others(make):
    first, again, other = (make(PointsConfig(train_size=50, train_seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(first.train().x, again.train().x)
    assert first.fingerprint == again.fingerprint
    assert not torch.equal(first.train().x, other.train().x)
    assert first.fingerprint != other.fingerprint


@BOTH
def test_evaluation_sets_do_not_depend_on_the_training_seed(make):
    first, other = (make(PointsConfig(train_seed=seed)).evaluation(2, 40).x for seed in (0, 1))
    assert torch.equal(first, other)


@BOTH
def test_no_training_seed_can_be_an_evaluation_seed(make):
    with pytest.raises(pydantic.ValidationError, match="less than 2147483648"):
        PointsConfig(train_seed=FIRST_EVALUATION_SEED)
    last = make(PointsConfig(train_size=40, train_seed=FIRST_EVALUATION_SEED - 1)).train().x
    assert not torch.equal(last, make(PointsConfig()).evaluation(0, 40).x)


@BOTH
@pytest.mark.parametrize(("draw", "n"), [(-1, 10), (2**31, 10), (0, 1)])
def test_an_evaluation_set_that_does_not_exist_is_an_error(make, draw, n):
    with pytest.raises(ValueError, match="need 0 <= draw"):
        make(PointsConfig()).evaluation(draw, n)


def test_the_roll_without_noise_lies_on_its_spiral():
    x = swiss_roll(PointsConfig(train_size=200, noise=0)).train().x.double() * 20
    radius = x.norm(dim=1)
    # By construction the point at angle t is (t cos t, t sin t), with t in [1.5 pi, 4.5 pi].
    torch.testing.assert_close(torch.stack([radius * radius.cos(), radius * radius.sin()], 1), x, rtol=0, atol=1e-4)
    assert 1.5 * torch.pi - 1e-4 < radius.min() < radius.max() < 4.5 * torch.pi + 1e-4


@MOONS
def test_the_moons_without_noise_are_half_circles_of_radius_one_half(make):
    x = make(PointsConfig(train_size=200, noise=0)).train().x
    distances = torch.stack([(x - torch.tensor(centre)).norm(dim=1) for centre in ([0.0, 0.0], [0.5, 0.25])])
    assert ((distances - 0.5).abs().min(0).values < 1e-5).all()


@BOTH
def test_evaluation_draws_are_apart_from_each_other_and_from_training(make):
    source = make(PointsConfig(train_size=50))
    sets = [source.train().x, source.evaluation(0, 50).x, source.evaluation(1, 50).x]
    rows = torch.cat(sets)
    assert len(rows.unique(dim=0)) == 150


@BOTH
def test_the_mean_and_the_deviation_are_those_that_the_docstring_gives(make):
    x = make(PointsConfig()).train().x
    expected = (0.33, 0.33) if make is swiss_roll else (0.43, 0.25)
    assert x.std(0).tolist() == pytest.approx(expected, abs=0.03)


@BOTH
def test_noise_is_in_scikit_learns_units_before_the_scaling(make):
    clean, noisy = (make(PointsConfig(train_size=4000, noise=noise)).train().x.double() for noise in (0.0, 0.2))
    scale = 20 if make is swiss_roll else 2
    if make is not swiss_roll:  # the same points, moved: scikit-learn draws the noise after them
        torch.testing.assert_close((noisy - clean).std().item(), 0.2 / scale, rtol=0.05, atol=0)
    distance = torch.cdist(noisy[:500], make(PointsConfig(train_size=20_000, train_seed=9, noise=0.0)).train().x.double()).min(1)
    # The nearest point of the curve is at the noise's part across the curve: its mean size is 0.8 of the deviation.
    assert distance.values.mean().item() == pytest.approx(0.8 * 0.2 / scale, rel=0.15)


@pytest.mark.parametrize("name", ["swiss-roll", "two-moons"])
def test_what_is_declared_without_drawing_is_what_there_is(name):
    component = registry().get(Dataset, name, where="test")
    source = component.create(component.config.model_validate({"train_size": 10}))
    assert component.known_spec(component.config()) == DataSpec((2,)) == DataSpec(source.spec.shape, source.spec.classes)
    assert source.largest_evaluation is None  # it draws without end
    assert source.evaluation(0, 7).labels is None


@BOTH
def test_points_of_a_set_do_not_depend_on_how_many_there_are_elsewhere(make):
    small, large = (make(PointsConfig(train_size=n)).evaluation(3, 20).x for n in (10, 1000))
    assert torch.equal(small, large)


@pytest.mark.parametrize("settings", [{"train_size": 1}, {"noise": -0.1}, {"train_seed": -1}, {"seed": 1}])
def test_settings_outside_their_range_are_faults(settings):
    with pytest.raises(pydantic.ValidationError):
        PointsConfig(**settings)


def test_stratified_moons_are_scikit_learns_and_have_the_key_that_they_always_had():
    from sklearn.datasets import make_moons

    x = two_moons(MoonsConfig(train_size=300)).train().x
    assert np.array_equal(x.numpy(), (make_moons(300, noise=0.05, random_state=0)[0] / 2).astype(np.float32))
    assert MoonsConfig().identity == PointsConfig().identity
    assert MoonsConfig(sampling="independent").identity != MoonsConfig().identity


def test_independent_moons_have_a_fair_coin_and_uniform_angles():
    x = two_moons(MoonsConfig(train_size=20_000, noise=0, sampling="independent")).train().x.double() * 2
    is_outer = (x.norm(dim=1) - 1).abs() < 1e-5  # the two half circles meet nowhere
    assert is_outer.double().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / 20_000**0.5)
    angles = torch.atan2(x[is_outer, 1], x[is_outer, 0]).sort().values / torch.pi
    assert (angles - torch.linspace(0, 1, len(angles), dtype=torch.float64)).abs().max() < 1.95 / len(angles) ** 0.5  # p = 0.001


def test_both_samplings_have_the_same_distribution():
    stratified, independent = (
        make(PointsConfig(train_size=50_000)).train().x.double() for make in (stratified_moons, independent_moons)
    )
    torch.testing.assert_close(stratified.mean(0), independent.mean(0), rtol=0, atol=0.01)
    torch.testing.assert_close(stratified.T.cov(), independent.T.cov(), rtol=0, atol=0.003)


def sliced_w2(x, y):
    return ot.sliced_wasserstein_distance(x.double().numpy(), y.double().numpy(), n_projections=100, p=2, seed=0)


def test_a_perfect_model_reaches_the_floor_of_independent_draws_and_not_that_of_stratified_ones():
    """A model's samples are independent draws: here they are independent moons of seeds that no evaluation set has."""
    n, pairs = 1000, 12
    perfect = [independent_moons(PointsConfig(train_size=n, train_seed=seed)).train().x for seed in range(pairs)]
    distances = {}
    for make in (stratified_moons, independent_moons):
        draws = [make(PointsConfig()).evaluation(draw, n).x for draw in range(2 * pairs)]
        floor = [sliced_w2(x, y) for x, y in zip(draws[:pairs], draws[pairs:], strict=True)]
        distances[make] = floor, [sliced_w2(x, y) for x, y in zip(perfect, draws, strict=False)]
    floor, reached = distances[stratified_moons]
    assert np.mean(reached) > 2 * np.mean(floor)
    assert min(reached) > max(floor)  # no single draw of a perfect model is at it
    floor, reached = distances[independent_moons]
    assert abs(np.mean(reached) - np.mean(floor)) < 3 * np.sqrt((np.var(floor) + np.var(reached)) / pairs)
