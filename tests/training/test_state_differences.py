"""States are compared bit for bit, and differences are named."""

import math

import torch

from harness.training.state_differences import are_equal, difference, leaves, state_difference


def test_differences_are_named_and_nan_equals_nan():
    weights = {"a": torch.tensor([1.0, float("nan")]), "b": torch.zeros(2)}
    assert difference(weights, {"a": weights["a"].clone(), "b": torch.zeros(2)}) == []
    assert difference(weights, {"a": torch.tensor([1.0, 2.0]), "b": torch.zeros(3)}) == ["a", "b"]
    assert difference(weights, {"a": weights["a"], "b": torch.zeros(2).double()}) == ["b"]


def test_a_name_that_only_one_side_has_is_a_difference():
    assert difference({"a": torch.zeros(1)}, {"a": torch.zeros(1), "b": torch.zeros(1)}) == ["b"]
    assert state_difference({"round": 1}, {"round": 1, "late": {"x": 2}}) == ["late.x"]


def test_leaves_of_a_state_go_by_their_paths():
    state = {"optimizer": {"groups": [{"lr": 0.1}, {"lr": 0.2}]}, "round": 3}
    assert leaves(state) == {"optimizer.groups.0.lr": 0.1, "optimizer.groups.1.lr": 0.2, "round": 3}
    assert leaves(7) == {"": 7}


def test_states_differ_where_a_leaf_does():
    state = {"optimizer": {"count": 3, "moments": [torch.ones(2), math.nan]}}
    same = {"optimizer": {"count": 3, "moments": [torch.ones(2), math.nan]}}
    other = {"optimizer": {"count": 3.0, "moments": [torch.ones(2).double(), 0.0]}}
    assert state_difference(state, same) == []
    assert state_difference(state, other) == ["optimizer.count", "optimizer.moments.0", "optimizer.moments.1"]


def test_values_of_other_types_are_not_equal():
    assert not are_equal(1, True)
    assert not are_equal(torch.tensor(1), 1)
