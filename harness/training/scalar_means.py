"""The scalars that the steps of a method log: checked when they come, kept on the device, and averaged at each log."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from harness.errors import Diverged, UserError


class ScalarMeans:
    """The scalars since the last log, and their means.

    Nothing here waits for the device, except `means` and `state`.

    Args:
        method: name of the method, with which messages about its scalars begin: `method ddo`.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self._values: dict[str, list[Tensor]] = {}

    def add(self, scalars: object, step: int) -> None:
        """Keep what a step returned. Raises: UserError for anything but 0-dim tensors by name, without a graph."""
        if not isinstance(scalars, Mapping):
            raise UserError(
                f"{self.method}: step {step} gave {_kind(scalars)}; it must give a mapping of scalars by name, or {{}}"
            )
        for name, value in scalars.items():
            if fault := _fault(name, value):
                raise UserError(f"{self.method}: step {step} gave {fault}")
            self._values.setdefault(name, []).append(value)

    def means(self, when: str) -> dict[str, float]:
        """Return the mean of each scalar since the last `clear`. They stay.

        Args:
            when: when this is, for the message: "step 100 of 800".
        Raises: Diverged when a mean is not finite.
        """
        if not self._values:
            return {}
        # One transfer for all scalars: each transfer waits for the device.
        stacked = [torch.stack([value.float() for value in values]).mean() for values in self._values.values()]
        means = dict(zip(self._values, torch.stack(stacked).tolist(), strict=True))
        for name, value in means.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} by {when}")
        return means

    def clear(self) -> None:
        """Forget the scalars, whose means are logged."""
        self._values.clear()

    def state(self) -> dict[str, Tensor]:
        """Return the scalars since the last log, one vector for each name, float32, on the CPU: so a checkpoint cuts no mean."""
        return {name: torch.stack([value.float() for value in values]).cpu() for name, values in self._values.items()}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from the scalars in a checkpoint."""
        self._values = {name: list(values.to(device).unbind()) for name, values in state.items()}


def _fault(name: object, value: object) -> str | None:
    """Return what is wrong with a scalar; None when nothing is."""
    if not isinstance(name, str):
        return f"a scalar under the name {name!r}; names are text"
    if not isinstance(value, Tensor):
        return f"{_kind(value)} as {name}; it must give 0-dim tensors: write torch.tensor(…), or loss.detach()"
    if value.dim():
        return f"a tensor of shape {tuple(value.shape)} as {name}; it must give 0-dim tensors, such as a mean"
    if value.is_complex():
        return f"a tensor of {value.dtype} as {name}; it must give real numbers"
    if value.requires_grad:
        return f"{name} with its graph, which would stay in memory; write {name}.detach()"
    return None


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
