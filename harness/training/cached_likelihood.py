"""Log-likelihoods of a frozen reference. Where they are exact, each example's value is computed once and cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Likelihood
from harness.interfaces import Batch


class CachedLikelihood:
    """The log-likelihood of a frozen model, cached by set, row and label.

    The exact likelihood of a fixed example changes only with the model's weights. So it is computed when the example first comes,
    and looked up afterwards. A bound depends on its random draw, and is never cached.

    The cache is part of checkpoints. Without it, a resumed run would compute a value anew in another batch. Kernels round
    differently at different batch sizes, so the value could differ in its last digits.

    Args:
        model: provides `Likelihood`. Call `forget` whenever its weights change.
        is_enabled: False computes every value anew, to measure what the cache saves.
    """

    def __init__(self, model: torch.nn.Module | Likelihood, *, is_enabled: bool = True) -> None:
        self.model, self.is_enabled = cast(Likelihood, model), is_enabled
        self._values_by_set: dict[str, dict[tuple[int, int], float]] = {}
        self._dtype = torch.float32

    @torch.no_grad()
    def __call__(self, batch: Batch, draw: object, *, name: str) -> Tensor:
        """Return the log-likelihood of each example, (B,), in nats.

        Args:
            batch: examples; without `rows` nothing is cached.
            draw: the model's random draw; None where the likelihood is exact, and only then are values cached.
            name: the set that the indices `batch.rows` refer to, such as "real".
        """
        if draw is not None or batch.rows is None or not self.is_enabled:
            return self._compute(batch, draw)
        labels = [-1] * len(batch) if batch.labels is None else batch.labels.tolist()
        keys = list(zip(batch.rows.tolist(), labels, strict=True))
        values = self._values_by_set.setdefault(name, {})
        missing = [place for place, key in enumerate(keys) if key not in values]
        if missing:
            computed = self._compute(batch[torch.tensor(missing, device=batch.x.device)], None)
            self._dtype = computed.dtype
            values.update(zip((keys[place] for place in missing), computed.tolist(), strict=True))
        return torch.tensor([values[key] for key in keys], dtype=self._dtype, device=batch.x.device)

    def forget(self) -> None:
        """Drop all values, because the model has other weights now."""
        self._values_by_set = {}

    def state_dict(self) -> dict[str, object]:
        """Return the cache as tensors: of each set the `keys` (n, 2), row and label (-1 for none), and the `values` (n,)."""
        return {
            name: {
                "keys": torch.tensor(list(values), dtype=torch.int64).view(-1, 2),
                "values": torch.tensor(list(values.values()), dtype=self._dtype),
            }
            for name, values in self._values_by_set.items()
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore what `state_dict` returned."""
        self.forget()
        for name, stored in cast(Mapping[str, Mapping[str, Tensor]], state).items():
            self._dtype = stored["values"].dtype
            keys = [(int(row), int(label)) for row, label in stored["keys"].tolist()]
            self._values_by_set[name] = dict(zip(keys, stored["values"].tolist(), strict=True))

    def _compute(self, batch: Batch, draw: object) -> Tensor:
        return self.model.log_likelihood(batch.x, batch.labels, draw)
