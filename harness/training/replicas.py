"""All processes of a job hold the same weights: a check that finds what a method does beside the harness."""

from __future__ import annotations

import torch
from torch import nn

from harness.errors import UserError
from harness.sampling.sharing import Group


@torch.no_grad()
def check(model: nn.Module, group: Group, name: str, step: int) -> None:
    """Check that all processes hold the same weights. They do where they take the same steps on the same gradients.

    Args:
        name: name of the method, with which the message begins.
        step: steps taken.
    Raises: UserError in all processes where they differ.
    """
    tensors = [value.float() for value in model.state_dict().values()]
    lengths = torch.stack(torch._foreach_norm(tensors))
    for rank, others in enumerate(group.gather(lengths)):
        if not torch.equal(lengths.nan_to_num(), others.nan_to_num()):
            raise _unequal(name, group.size, step, rank)


def _unequal(name: str, size: int, step: int, rank: int) -> UserError:
    return UserError(
        f"{name}: its processes on {size} devices hold different weights after step {step} (this one and number {rank}): it "
        "changes weights in another way than by harness.training.optimizer.Optimizer, or draws random numbers of its own; leave "
        "--devices out"
    )
