"""Conformance where the network is told how images were augmented: the capability of models, and methods that pass labels on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.capabilities import TakesAugmentation, TrainsInParts
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing.expect import expect, expect_offers
from harness.testing.probes import BATCH, check_close, examples, through_forward
from harness.training.micro_batches import rows_of

if TYPE_CHECKING:
    from harness.testing.methods import Bench


def check_takes_augmentation(model: nn.Module, spec: DataSpec) -> None:
    """Check that labels of zero give the training loss, that others can be had in micro-batches, and that gradients reach them.

    A network whose settings leave no place for labels of augmentation passes.
    """
    takes, parts = expect_offers(model, TakesAugmentation, "the model"), expect_offers(model, TrainsInParts, "the model")
    if not takes.augmentation_labels:
        return
    x, labels = examples(spec)
    draw, told = (
        parts.training_draw(x, stream(1, "loss")),
        torch.randn(BATCH, takes.augmentation_labels, generator=stream(2, "labels")),
    )
    expected = parts.training_loss_at(x, labels, draw)
    check_close(
        takes.augmented_loss_at(x, labels, draw, torch.zeros_like(told)), expected, "the loss with labels of zero and without"
    )
    told.requires_grad_()
    loss = through_forward(model, lambda: takes.augmented_loss_at(x, labels, draw, told), "augmented_loss_at")
    expect(loss.shape == (BATCH,), f"augmented_loss_at gave {tuple(loss.shape)}, not one value for each example, ({BATCH},)")
    half = slice(0, BATCH // 2)
    part = takes.augmented_loss_at(x[half], None if labels is None else labels[half], rows_of(draw, half), told[half])
    check_close(part, loss[half], "the losses of a micro-batch of augmented images alone and in its batch")


def check_augmentation_is_told(bench: Bench) -> None:
    """Check that a step tells the network of the augmentation of each example, whole and in micro-batches.

    The model is given a loss of augmented images that notes its labels.
    """
    for size in (None, 1):
        task = bench.task()
        if not isinstance(task.model, TrainsInParts):
            return
        task.micro_batch, method, told = size, bench.build(task), list[Tensor]()
        _note_labels(task.model, told)
        batch = bench.batch(method, 0)
        labels = torch.arange(2.0 * len(batch)).view(-1, 2)
        method.step(replace(batch, augmentation=labels), stream(7, "method", 0), 0)
        is_told = bool(told) and torch.equal(torch.cat(told), labels)
        expect(is_told, "the method declares augments, and its step does not tell the network how each image was augmented")


def _note_labels(model: nn.Module, told: list[Tensor]) -> None:
    """Give a model a loss of augmented images, which is its training loss, and notes the labels."""
    kind = type(model)

    def augmented_loss_at(
        self: TrainsInParts, x: Tensor, labels: Tensor | None, draw: object, augmentation: Tensor | None
    ) -> Tensor:
        told.extend([] if augmentation is None else [augmentation])
        model.__class__ = kind  # whose training loss may be made of its own loss of augmented images
        try:
            return self.training_loss_at(x, labels, draw)
        finally:
            model.__class__ = noting

    noting = type(kind.__name__, (kind,), {"augmented_loss_at": augmented_loss_at})
    model.__class__ = noting
