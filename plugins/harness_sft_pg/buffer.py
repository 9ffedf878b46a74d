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
        """Keep a rollout. states: (T + 1, B, …), without a graph. Rollouts of a checkpoint, which are on the CPU, follow it."""
        self.rollouts = [*(earlier.to(states.device) for earlier in self.rollouts), states]

    def draw(self, n: int, generator: torch.Generator) -> Transitions:
        """Draw n transitions, independent and uniform over rollouts, steps and examples."""
        device, (steps, examples) = self.rollouts[0].device, (len(self.rollouts[0]) - 1, self.rollouts[0].shape[1])
        flat = torch.randint(len(self.rollouts) * steps * examples, (n,), generator=generator)
        example, step, rollout = flat % examples, flat // examples % steps, flat // (examples * steps)
        # One rollout at a time: one tensor of all rollouts would be a copy of the whole buffer.
        order = rollout.argsort()
        counts = rollout.bincount(minlength=len(self.rollouts)).tolist()
        places = torch.stack([step, step + 1, torch.full_like(step, steps)])[:, order].to(device).split(counts, dim=1)
        examples_of = example[order].to(device).split(counts)
        parts = [states[place, of] for states, place, of in zip(self.rollouts, places, examples_of, strict=True)]
        x, x_next, final = torch.cat(parts, dim=1)[:, order.argsort().to(device)]
        return Transitions(x, x_next, step.to(device), final)

    def clear(self) -> None:
        """Forget all rollouts: a phase learns only from trajectories since the phase before it."""
        self.rollouts = []

    def state_dict(self) -> dict[str, object]:
        """Return the rollouts."""
        return {"rollouts": list(self.rollouts)}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` returned."""
        self.rollouts = list(cast(list[Tensor], state["rollouts"]))
