"""The weights that a method's `result` gives, checked: a missing tensor would otherwise show only when samples are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from harness.errors import UserError

SHOWN = 3
"""Names of tensors that a message shows; a network may have hundreds."""


def checked_result(
    result: Callable[[Mapping[str, Tensor]], object], trained: Mapping[str, Tensor], method: str
) -> dict[str, Tensor]:
    """Return what `result` makes of trained weights.

    Args:
        result: the method's `result`.
        method: name of the method, with which the message begins.
    Raises: UserError unless that is a tensor for each of the trained ones, with its name, shape and dtype.
    """
    expected = {name: (tuple(value.shape), value.dtype) for name, value in trained.items()}
    given = result(trained)
    must = f"{method}: result must give the weights of the network, each with its name, shape and dtype"
    if not isinstance(given, Mapping):
        raise UserError(f"{must}; it gave {'None' if given is None else f'a {type(given).__name__}'}")
    if missing := [name for name in expected if name not in given]:
        raise UserError(f"{must}; it left out {_shown(missing)}")
    if unknown := [str(name) for name in given if name not in expected]:
        raise UserError(f"{must}; it added {_shown(unknown)}")
    for name, (shape, dtype) in expected.items():
        value = given[name]
        if not isinstance(value, Tensor):
            raise UserError(f"{must}; {name} is a {type(value).__name__}")
        if (tuple(value.shape), value.dtype) != (shape, dtype):
            raise UserError(f"{must}; {name} is {value.dtype} of shape {tuple(value.shape)}, not {dtype} of shape {shape}")
    return dict(given)


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
