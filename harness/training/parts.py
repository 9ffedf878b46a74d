"""Micro-batches: a step on a batch in parts that fit the memory, with the gradient of the whole one.

Randomness is drawn for the whole batch first and cut afterwards, so what an example draws does not depend on the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from torch import Tensor

from harness.errors import UserError

if TYPE_CHECKING:
    import torch

    from harness.capabilities import Trains, TrainsInParts
    from harness.interfaces import Batch
    from harness.training.method import Task

Rows = slice | Tensor


def cut(n: int, size: int | None) -> list[slice]:
    """n examples in parts of `size`, the last one smaller where it does not divide n; one part where it is None."""
    step = n if size is None else size
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def take(draw: object, rows: Rows) -> object:
    """The rows of a model's draw for a whole batch: tensors with the batch in front, tuples of such, or None.

    Raises: UserError where a number stands for the randomness of all examples at once, as the seed of dropout does.
    """
    if draw is None:
        return None
    if isinstance(draw, Tensor):
        return draw[rows]
    if isinstance(draw, tuple):
        parts = [take(field, rows) for field in draw]
        return cast("Callable[..., object]", type(draw))(*parts) if hasattr(draw, "_fields") else tuple(parts)
    raise UserError(
        f"micro_batch: the model draws a {type(draw).__name__} for a whole batch (dropout?), which cannot be cut; "
        "leave micro_batch out, or dropout"
    )


def training_losses(task: Task, batch: Batch, generator: torch.Generator) -> Iterator[Tensor]:
    """The batch mean of the training loss as terms that add up to it, one a part; each is made when it is asked for."""
    parts = task.parts(len(batch))
    if len(parts) == 1:
        yield cast("Trains", task.model).training_loss(batch.x, batch.labels, generator).mean()
        return
    model = cast("TrainsInParts", task.model)
    draw = model.training_draw(batch.x, generator)
    for rows in parts:
        part = batch[rows]
        yield model.training_loss_at(part.x, part.labels, take(draw, rows)).sum() / len(batch)
