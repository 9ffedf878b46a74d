"""Micro-batches: a step processes its batch in parts that fit into memory. The parts' gradients add up to the batch's gradient.

A model's randomness is drawn for the whole batch first, and each micro-batch then takes its rows of the draw. So the random
numbers of an example do not depend on the size of the micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from torch import Tensor

from harness.errors import UserError
from harness.process.out_of_memory import advice

if TYPE_CHECKING:
    import torch

    from harness.capabilities import TakesAugmentation, Trains, TrainsInParts
    from harness.interfaces import Batch
    from harness.training.config import TrainingConfig
    from harness.training.method import Task

Rows = slice | Tensor


def slices(n: int, size: int | None) -> list[slice]:
    """Cut n examples into micro-batches of `size`. The last is smaller where `size` does not divide n; None cuts nothing."""
    step = n if size is None else size
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def rows_of(draw: object, rows: Rows) -> object:
    """Take rows of a model's draw for a whole batch.

    A draw is a tensor whose first axis is the batch, a tuple of draws (a named tuple keeps its type), or None.

    Raises: UserError for any other draw. The seed of dropout, for example, is one number for all examples and cannot be cut.
    """
    if draw is None:
        return None
    if isinstance(draw, Tensor):
        return draw[rows]
    if isinstance(draw, tuple):
        fields = [rows_of(field, rows) for field in draw]
        return cast("Callable[..., object]", type(draw))(*fields) if hasattr(draw, "_fields") else tuple(fields)
    raise UserError(
        f"micro_batch: the model draws a {type(draw).__name__} for a whole batch (dropout?), which cannot be cut; "
        "leave micro_batch out, or dropout"
    )


def training_losses(task: Task, batch: Batch, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the batch mean of the model's training loss as terms that add up to it, one for each micro-batch.

    Each term is computed when it is asked for, so that only one graph is in memory; see `Optimizer.update_in_parts`. The network
    is told how images were augmented, where they were.
    """
    micro_batches = task.micro_batches(len(batch))
    if len(micro_batches) == 1 and batch.augmentation is None:
        yield cast("Trains", task.model).training_loss(batch.x, batch.labels, generator).mean()
        return
    model = cast("TrainsInParts", task.model)
    draw = model.training_draw(batch.x, generator)
    for rows in micro_batches:
        part = batch[rows]
        # A sum over the part divided by the whole batch's length: the terms add up to the mean over the batch.
        yield _losses(model, part, rows_of(draw, rows)).sum() / len(batch)


def _losses(model: TrainsInParts, batch: Batch, draw: object) -> Tensor:
    """Return the training loss of each example, (n,)."""
    if batch.augmentation is None:
        return model.training_loss_at(batch.x, batch.labels, draw)
    return cast("TakesAugmentation", model).augmented_loss_at(batch.x, batch.labels, draw, batch.augmentation)


def micro_batch_advice(training: TrainingConfig) -> str:
    """Return the advice to a user when a step does not fit into memory."""
    size, batch = training.micro_batch, training.batch
    now = f"the whole batch of {batch}" if size is None else ""
    note = ", which leaves the gradients as they are"
    return advice("training: micro_batch", size or batch, "training example", now=now, note=note)
