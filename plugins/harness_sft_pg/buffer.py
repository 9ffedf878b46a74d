"""The trajectories that were sampled since the last generator phase."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor


class Transitions(NamedTuple):
    """m steps of trajectories: the state `x` (m, …) went to `x_next` (m, …) at `step` (m,); its sample is `final` (m, …)."""

    x: Tensor
    x_next: Tensor
    step: Tensor
    final: Tensor


class TransitionBuffer:
    """The rollouts since the last generator phase, each (T + 1, B, …) from noise to sample.

    They are part of the checkpoint, because a run may stop between two phases.
    """

    def __init__(self) -> None:
        self.rollouts: list[Tensor] = []

    def add(self, states: Tensor) -> None:
        """Keep a rollout. states: (T + 1, B, …), without a graph."""
        self.rollouts.append(states)

    def draw(self, n: int, generator: torch.Generator) -> Transitions:
        """Draw n transitions, independent and uniform over rollouts, steps and examples."""
        states = torch.stack(self.rollouts)  # (rollouts, T + 1, B, …)
        rollouts, steps, examples = states.shape[0], states.shape[1] - 1, states.shape[2]
        flat = torch.randint(rollouts * steps * examples, (n,), generator=generator).to(states.device)
        example, step, rollout = flat % examples, flat // examples % steps, flat // (examples * steps)
        return Transitions(
            states[rollout, step, example], states[rollout, step + 1, example], step, states[rollout, steps, example]
        )

    def clear(self) -> None:
        """Forget all rollouts: a phase learns only from trajectories since the phase before it."""
        self.rollouts = []

    def state_dict(self) -> dict[str, object]:
        """Return the rollouts."""
        return {"rollouts": list(self.rollouts)}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` returned."""
        self.rollouts = list(cast(list[Tensor], state["rollouts"]))
