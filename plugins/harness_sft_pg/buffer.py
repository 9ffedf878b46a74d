"""Trajectories between two generator phases."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor


class Transitions(NamedTuple):
    """m steps of trajectories: `x` (m, …) went to `x_next` (m, …) at `step` (m,), and ended at `final` (m, …)."""

    x: Tensor
    x_next: Tensor
    step: Tensor
    final: Tensor


class TransitionBuffer:
    """The last rollouts, each (T + 1, B, …) from noise to sample. In the checkpoint, since a run may stop between."""

    def __init__(self) -> None:
        self.rollouts: list[Tensor] = []

    def add(self, states: Tensor) -> None:
        """Keep one rollout. states: (T + 1, B, …), without a graph."""
        self.rollouts.append(states)

    def draw(self, n: int, generator: torch.Generator) -> Transitions:
        """n transitions, independent and uniform over rollouts, steps and examples."""
        states = torch.stack(self.rollouts)
        rollouts, steps, examples = states.shape[0], states.shape[1] - 1, states.shape[2]
        flat = torch.randint(rollouts * steps * examples, (n,), generator=generator).to(states.device)
        example, step, rollout = flat % examples, flat // examples % steps, flat // (examples * steps)
        return Transitions(
            states[rollout, step, example], states[rollout, step + 1, example], step, states[rollout, steps, example]
        )

    def clear(self) -> None:
        """Forget all: the next phase sees trajectories of the next critics' iterations only."""
        self.rollouts = []

    def state_dict(self) -> dict[str, object]:
        return {"rollouts": list(self.rollouts)}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.rollouts = list(cast(list[Tensor], state["rollouts"]))
