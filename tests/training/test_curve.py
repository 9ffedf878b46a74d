import pytest
import torch

from harness.training.curve import Curve


def curve(values=(), points=4, higher=False, keeps=True):
    measured = iter(values)
    return Curve(lambda _: next(measured), points, higher, keeps)


@pytest.mark.parametrize(("steps", "points", "expected"), [
    (8, 4, [0, 2, 4, 6, 8]),
    (7, 3, [0, 2, 5, 7]),  # thirds of 7, rounded
    (10, 1, [0, 10]),
    (3, 10, [0, 1, 2, 3]),
])  # fmt: skip
def test_points_are_evenly_spaced_with_one_at_the_start_and_one_at_the_end(steps, points, expected):
    due = curve(points=points)
    assert [step for step in range(steps + 1) if due.is_due(step, steps, {"images": step})] == expected


@pytest.mark.parametrize("steps", [1, 5, 64, 1000, 2344])
@pytest.mark.parametrize("points", [1, 2, 3, 10, 17])
def test_there_are_as_many_points_as_asked_for(steps, points):
    due = curve(points=points)
    assert sum(due.is_due(step, steps, {"images": step}) for step in range(steps + 1)) == min(points, steps) + 1


def test_a_point_that_is_there_is_not_due_again():
    first = curve([1.0])
    assert first.is_due(0, 8, {"images": 0})
    first.add({"images": 0}, {})
    assert not first.is_due(0, 8, {"images": 0})
    assert first.is_due(2, 8, {"images": 2})


@pytest.mark.parametrize(("higher", "best"), [(False, 1), (True, 2)])
def test_the_best_weights_stay_the_first_of_equals(higher, best):
    values = [2.0, 1.0, 3.0, 1.0, 3.0]
    chosen = curve(values, higher=higher)
    for step in range(len(values)):
        weights = {"w": torch.tensor([float(step)])}
        chosen.add({"images": step * 10}, weights)
        weights["w"].fill_(-1.0)  # what comes later does not change what was kept
    assert chosen.best_images == best * 10
    assert chosen.best["w"].item() == best


@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_no_point_and_is_never_the_best(broken, higher):
    chosen = curve([1.0, broken, 1.0], higher=higher)
    returned = [chosen.add({"images": step}, {"w": torch.tensor([float(step)])}) for step in range(3)]
    assert str(returned[1]) == str(broken)  # the owner of the curve takes it for a divergence
    assert chosen.values == [{"images": 0, "value": 1.0}, {"images": 2, "value": 1.0}]
    assert (chosen.best_images, chosen.best["w"].item()) == (0, 0.0)


def test_a_curve_that_does_not_select_keeps_no_weights():
    plain = curve([1.0], keeps=False)
    plain.add({"images": 0}, {"w": torch.zeros(1)})
    assert plain.best == {}


def test_state_round_trips():
    first = curve([2.0, 1.0])
    first.add({"images": 0}, {"w": torch.tensor([1.0])})
    first.add({"images": 5}, {"w": torch.tensor([2.0])})
    first.evaluations = 12
    second = curve([3.0])
    second.restore(first.state(), first.best)
    assert (second.values, second.best_images, second.seconds, second.evaluations) == (first.values, 5, first.seconds, 12)
    second.add({"images": 9}, {"w": torch.tensor([3.0])})
    assert second.best["w"].item() == 2.0
    assert len(first.values) == 2
