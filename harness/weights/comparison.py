"""Comparison of a file's tensors with those of a network: names, shapes, and whether the numbers are weights at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import UserError

WITHOUT_VALUES = "is on the meta device, and has no values; save the weights after they are loaded"
SHOWN = 4
"""How many names of each kind of difference a message lists."""


@dataclass(frozen=True)
class Differences:
    """The names that keep tensors from fitting a network.

    Args:
        missing, unexpected, other_shape: names with shapes, as messages list them.
        lacking: the missing names alone.
    """

    missing: Sequence[str]
    unexpected: Sequence[str]
    other_shape: Sequence[str]
    lacking: Collection[str]

    @property
    def is_empty(self) -> bool:
        """Whether the tensors fit."""
        return not (self.missing or self.unexpected or self.other_shape)

    @property
    def text(self) -> str:
        """The first names of each kind of difference."""
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "another shape": self.other_shape}
        return "; ".join(f"{len(names)} {kind}: {_first(names)}" for kind, names in kinds.items() if names)


def differences(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Differences:
    """Compare names and shapes. Values are not compared."""
    lacking = [name for name in expected if name not in actual]
    return Differences(
        missing=[f"{name} {_shape(expected[name])}" for name in lacking],
        unexpected=[f"{name} {_shape(actual[name])}" for name in actual if name not in expected],
        other_shape=[
            f"{name} is {_shape(actual[name])} in the file and {_shape(value)} in the network"
            for name, value in expected.items()
            if name in actual and _size(actual[name]) != _size(value)
        ],
        lacking=lacking,
    )


def check(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: str) -> None:
    """Raises: UserError, beginning with `where`, unless both have the same names and shapes. Values are not compared."""
    found = differences(actual, expected)
    if not found.is_empty:
        raise UserError(f"{where}: {found.text}. Is it another preset's file, or are the model's settings others?")


def check_numbers(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: str) -> None:
    """Check tensors that have the names and shapes of the network's.

    Raises: UserError, beginning with `where` and naming the first tensor, for tensors that are not dense, that hold numbers of
        another kind than the network's (whole numbers, complex ones), or that hold NaN or infinite values.
    """
    for name, value in actual.items():
        if value.is_meta and not expected[name].is_meta:
            raise UserError(f"{where}: {name} {WITHOUT_VALUES}")
        if (kind := _unreadable(value, expected[name])) is not None:
            raise UserError(f"{where}: {name} {kind}")
    for name, value in actual.items():
        if value.is_meta and expected[name].is_meta:
            continue  # the network has the tensor already, from a file that its settings name
        # A number that is finite in float64 can be infinite in the network's float32.
        cast = value.to(expected[name].dtype)
        if cast.is_floating_point() and not torch.isfinite(cast).all():
            raise UserError(
                f"{where}: {name} has {int((~torch.isfinite(cast)).sum())} values that are NaN or infinite: "
                "the training that wrote the file had diverged, or the file is damaged"
            )


def _unreadable(value: Tensor, expected: Tensor) -> str | None:
    """Return why a tensor cannot be read into the network's; None where it can."""
    if value.is_nested or value.layout != torch.strided:
        layout = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
        return f"is a tensor of the layout {layout}; weights are dense: save x.to_dense()"
    if value.is_quantized:
        return f"is quantised ({_dtype(value)}); save the weights before quantisation, or x.dequantize()"
    if value.is_complex() or value.is_floating_point() != expected.is_floating_point():
        return f"holds {_dtype(value)}, and the network has {_dtype(expected)}; quantised and packed weights are not read"
    return None


def have_same_values(first: Tensor, second: Tensor) -> bool:
    """Return whether two dense tensors have the same values. Of one on the meta device they are not known; others have not."""
    if any(value.is_nested or value.is_quantized or value.layout != torch.strided for value in (first, second)):
        return False
    if first.shape != second.shape or first.is_meta or second.is_meta:
        return first.shape == second.shape
    return bool((first == second).all())


def casts(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Return which types of numbers become which others in the network, such as `float16 was read as float32`."""
    pairs = {(_dtype(value), _dtype(expected[name])) for name, value in actual.items()}
    return sorted(f"{file} was read as {network}" for file, network in pairs if file != network)


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _size(value: Tensor) -> tuple[int, ...] | None:
    return None if value.is_nested else tuple(value.shape)


def _shape(value: Tensor) -> str:
    return "(nested)" if value.is_nested else f"({', '.join(map(str, value.shape))})"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
