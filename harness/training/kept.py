"""Log-likelihoods of a frozen reference: where they are exact, those of a fixed set do not change, and are computed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Likelihood
from harness.interfaces import Batch


class KeptLikelihood:
    """log p of a frozen model, kept by set, row and label; a checkpoint holds what is kept, so that a resume is exact.

    Kept values are those of the batch in which a row came first: they agree with others to rounding, as kernels round by batch.

    Args:
        model: provides `Likelihood`. Call `forget` whenever its weights change.
        is_kept: False computes everything anew, as a measure of what keeping saves.
    """

    def __init__(self, model: torch.nn.Module, *, is_kept: bool = True) -> None:
        self.model, self.is_kept = model, is_kept
        self._sets: dict[str, dict[tuple[int, int], float]] = {}
        self._dtype = torch.float32

    @torch.no_grad()
    def __call__(self, batch: Batch, draw: object, *, name: str) -> Tensor:
        """(B,), nats, at this draw.

        Args:
            draw: None where the likelihood is exact: then values are kept if the batch has rows.
            name: of the set that the rows are of.
        """
        if draw is not None or batch.rows is None or not self.is_kept:
            return self._compute(batch, draw)
        labels = [-1] * len(batch) if batch.labels is None else batch.labels.tolist()
        keys = list(zip(batch.rows.tolist(), labels, strict=True))
        kept = self._sets.setdefault(name, {})
        new = [place for place, key in enumerate(keys) if key not in kept]
        if new:
            values = self._compute(batch[torch.tensor(new, device=batch.x.device)], None)
            self._dtype = values.dtype
            kept.update(zip((keys[place] for place in new), values.tolist(), strict=True))
        return torch.tensor([kept[key] for key in keys], dtype=self._dtype, device=batch.x.device)

    def forget(self) -> None:
        """Drop all values: the model is another one now."""
        self._sets = {}

    def state_dict(self) -> dict[str, object]:
        """Keys (n, 2) and values (n,) of each set."""
        return {
            name: {
                "keys": torch.tensor(list(kept), dtype=torch.int64).view(-1, 2),
                "values": torch.tensor(list(kept.values()), dtype=self._dtype),
            }
            for name, kept in self._sets.items()
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore what `state_dict` gave."""
        self.forget()
        for name, stored in cast(Mapping[str, Mapping[str, Tensor]], state).items():
            self._dtype = stored["values"].dtype
            keys = [(int(row), int(label)) for row, label in stored["keys"].tolist()]
            self._sets[name] = dict(zip(keys, stored["values"].tolist(), strict=True))

    def _compute(self, batch: Batch, draw: object) -> Tensor:
        return cast(Likelihood, self.model).log_likelihood(batch.x, batch.labels, draw)
