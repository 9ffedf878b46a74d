"""Comparison of states bit for bit: weights, and the nested states of methods."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def difference(weights: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that are not equal bit for bit, or that only one side has. NaN equals NaN."""
    only_one_has = sorted(weights.keys() ^ other.keys())
    return only_one_has or [name for name, tensor in weights.items() if not are_equal(tensor, other[name])]


def state_difference(state: object, other: object) -> list[str]:
    """Return the paths of the values in which two nested states differ, or that only one of them has."""
    values, other_values = leaves(state), leaves(other)
    only_one_has = sorted(values.keys() ^ other_values.keys())
    return only_one_has or [path for path, value in values.items() if not are_equal(value, other_values[path])]


def leaves(state: object, name: str = "") -> dict[str, object]:
    """Return the values inside of nested mappings and sequences, by path: "optimizer.torch.state.0.exp_avg"."""
    if isinstance(state, Mapping):
        items = [(str(key), value) for key, value in state.items()]
    elif isinstance(state, list | tuple):
        items = [(str(index), value) for index, value in enumerate(state)]
    else:
        return {name: state}
    found: dict[str, object] = {}
    for key, value in items:
        found |= leaves(value, f"{name}.{key}" if name else key)
    return found


def are_equal(value: object, other: object) -> bool:
    """Return whether two values have one type, and tensors also one shape, one dtype, and the same values. NaN equals NaN."""
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        is_alike = value.shape == other.shape and value.dtype == other.dtype
        return is_alike and torch.allclose(value.cpu(), other.cpu(), rtol=0, atol=0, equal_nan=True)
    if type(value) is not type(other):
        return False
    return value == other or (value != value and other != other)  # NaN is not equal to itself
