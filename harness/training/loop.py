"""The training loop: batches in order, steps of the method, averages, curve, logs, checkpoints, resume, divergence, stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.capabilities import WorksInLatents
from harness.errors import Diverged, Interrupted
from harness.interfaces import Batch
from harness.process import stop
from harness.sampling import latents
from harness.streams import stream
from harness.training import checkpoint, precision
from harness.training.checkpoint import Checkpoint, TrainingState
from harness.training.config import TrainingConfig
from harness.training.curve import Curve
from harness.training.ema import make_average
from harness.training.method import FinetuneMethod
from harness.training.order import BatchOrder
from harness.training.out_of_memory import out_of_memory_advice
from harness.training.task import TrainingTask, constrain
from harness.weights import state_dicts

LOG_EVERY = 100
"""Steps between two logs. Only logs check that the loss is finite: a check at each step would wait for the device."""


@dataclass(frozen=True)
class Listener:
    """Functions that the loop calls, for progress and for plugins.

    Args:
        step_logged: called with the step, the number of steps in all, and values by name: the means of the method's scalars since
            the last log, or `curve` at a point of the curve.
        checkpoint_written: called with the step and the folder of a checkpoint, when it has been written completely.
    """

    step_logged: Callable[[int, int, Mapping[str, float]], None]
    checkpoint_written: Callable[[int, Path], None]


@dataclass(frozen=True)
class TrainingResult:
    """The result of training.

    Args:
        weights: the weights to evaluate: those of the last step or of the best point. Where training
            averages weights, they are averages. Where the method merges weights, they are merged.
        seconds: time of steps and of drawing banks, over all resumes. Where the best point is selected, the time of the curve
            is included.
        network_evaluations: examples that went through networks during the work that `seconds` includes.
        curve: the curve's points, `images` seen and the metric's `value`.
        selected_images: images seen at the selected point; None where nothing is selected.
    """

    weights: dict[str, Tensor]
    seconds: float
    network_evaluations: int
    curve: list[dict[str, float]]
    selected_images: int | None


class TrainingLoop:
    """Trains one method on one task, and goes on from the newest checkpoint in `folder` if there is one.

    Args:
        data: all training examples, on the task's device; for a model that works in latents, what `encode_images` gave.
        training: the budget, and what the loop does around each step.
        seed: seed of the data order and of the generators of steps.
        folder: where checkpoints are written.
        checkpoint_seconds: time between two checkpoints.
        listener: functions that the loop calls.
        curve: measurements along training; None measures nothing.
    """

    def __init__(
        self,
        task: TrainingTask,
        method: FinetuneMethod,
        data: Batch,
        training: TrainingConfig,
        *,
        seed: int,
        folder: Path,
        checkpoint_seconds: float,
        listener: Listener,
        curve: Curve | None = None,
    ) -> None:
        self.task, self.method, self.training = task, method, training
        self.data = Batch(data.x, data.labels, torch.arange(len(data), device=data.x.device))
        self.seed, self.folder, self.checkpoint_seconds, self.listener = seed, folder, checkpoint_seconds, listener
        self.curve = curve
        self.is_in_latents = isinstance(task.model, WorksInLatents)
        self.order = BatchOrder(len(data), training.batch, seed)
        self.average = make_average(task.model, training)
        self.step = 0
        self._seconds = 0.0
        self._unlogged: dict[str, list[Tensor]] = {}
        self._clock = time.perf_counter()

    def run(self) -> TrainingResult:
        """Train to the end.

        Raises:
            Diverged: a logged scalar, a weight or the curve's metric is not finite.
            StorageError: a checkpoint cannot be written.
            UserError: the memory does not suffice for a step.
            Interrupted: a stop was requested. A checkpoint of the last finished step has been written, with one exception: a
                stop while a step draws a bank leaves an earlier checkpoint as the newest, because half a step cannot be saved.
        """
        self._resume()
        with stop.saves_state():
            return self._run()

    def _run(self) -> TrainingResult:
        self._clock = time.perf_counter()
        steps, saved_at = self.training.steps, time.monotonic()
        self._measure()
        while self.step < steps:
            self._step()
            if self.step % LOG_EVERY == 0 or self.step == steps:
                self._log()
            self._measure()
            if stop.is_requested():
                self._save()
                raise Interrupted
            if time.monotonic() - saved_at > self.checkpoint_seconds and self.step < steps:
                self._save()
                saved_at = time.monotonic()
        return self._end()

    def _step(self) -> None:
        index = self.step
        batch = self.data[self.order.indices(index)]
        if self.is_in_latents:
            batch = latents.network_batch(self.task.model, batch, stream(self.seed, "latents", index))
        with out_of_memory_advice(self._memory_advice), precision.autocast(self.task.device, self.training):
            scalars = self.method.step(batch, stream(self.seed, "step", index), index)
        if self.average is not None:
            self.average.update((index + 1) * self.training.batch)
        constrain(self.task.model)  # after the average, which follows what the update gave, as in EDM2's training
        for name, value in scalars.items():
            self._unlogged.setdefault(name, []).append(value)
        self.step += 1

    @property
    def _memory_advice(self) -> str:
        """The advice to a user when a step does not fit into memory."""
        size = self.training.micro_batch
        now = f"the whole batch of {self.training.batch}" if size is None else str(size)
        return f"lower `training: micro_batch` (now {now}), which leaves the gradients as they are"

    def _log(self) -> None:
        """Report the means since the last log. Raises: Diverged when one of them is not finite."""
        if not self._unlogged:
            return
        names = list(self._unlogged)
        # One transfer for all scalars: each transfer waits for the device.
        means = torch.stack([torch.stack([v.float() for v in values]).mean() for values in self._unlogged.values()]).tolist()
        self._unlogged.clear()
        values = dict(zip(names, means, strict=True))
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} by step {self.step} of {self.training.steps}")
        self.listener.step_logged(self.step, self.training.steps, values)

    def _candidate(self) -> dict[str, Tensor]:
        """Return the weights that would be evaluated now."""
        trained = self.average.weights() if self.average is not None else state_dicts.snapshot(self.task.model)
        return dict(self.method.result(trained))

    def _measure(self) -> None:
        """Add a point to the curve where one is due. A stop during the measurement writes a checkpoint without the point."""
        images = self.step * self.training.batch
        if self.curve is not None and self.curve.is_due(self.step, self.training.steps, images):
            before = self.task.counter.examples
            try:
                self._add_point(self.curve, images)
            except Interrupted:
                self.task.counter.examples = before
                self._save()  # the point is measured first when training goes on
                raise

    def _add_point(self, curve: Curve, images: int) -> None:
        self._count_time()
        before = self.task.counter.examples
        candidate = self._candidate()
        if not state_dicts.are_finite(candidate):
            raise Diverged(f"weights are not finite at step {self.step} of {self.training.steps}")
        value = curve.add(images, candidate)
        if not math.isfinite(value):
            raise Diverged(f"the curve's metric is {value} at step {self.step} of {self.training.steps}")
        if not curve.keeps_best:  # only a curve that selects weights is a cost of the method
            self.task.counter.examples = before
        self._clock = time.perf_counter()  # the curve counts its own seconds
        self.listener.step_logged(self.step, self.training.steps, {"curve": value})

    def _count_time(self) -> None:
        now = time.perf_counter()
        self._seconds += now - self._clock + self.task.take_seconds_of_reused_banks()
        self._clock = now

    def _save(self) -> None:
        self._log()  # first, so that a state that has diverged is never saved
        self._count_time()
        tensors = {f"model/{name}": value for name, value in state_dicts.snapshot(self.task.model).items()}
        state: TrainingState = {
            "method": self.method.state_dict(),
            "seconds": self._seconds,
            "evaluations": self.task.counter.examples,
            "bank_costs": self.task.bank_costs,
        }
        if self.average is not None:
            tensors |= {f"ema/{name}": value for name, value in self.average.tensors().items()}
        if self.curve is not None:
            tensors |= {f"best/{name}": value for name, value in self.curve.best.items()}
            state["curve"] = self.curve.state()
        path = checkpoint.write(self.folder, Checkpoint(self.step, tensors, state))
        self.listener.checkpoint_written(self.step, path)
        self._clock = time.perf_counter()  # writing a checkpoint is no cost of the method

    def _resume(self) -> None:
        newest = checkpoint.read_newest(self.folder)
        if newest is None:
            return
        self.step = newest.step
        self.task.model.load_state_dict(newest.track("model"))
        self.method.load_state_dict(newest.state["method"])
        self._seconds = newest.state["seconds"]
        self.task.counter.examples = newest.state["evaluations"]
        self.task.bank_costs = dict(newest.state["bank_costs"])
        if self.average is not None:
            self.average.restore(newest.track("ema"), self.step * self.training.batch)
        if self.curve is not None:
            self.curve.restore(newest.state["curve"], newest.track("best"))

    def _end(self) -> TrainingResult:
        self._count_time()
        weights, selected, curve = self._candidate(), None, self.curve
        if curve is not None and curve.keeps_best:
            weights, selected = curve.best, curve.best_images
            self._seconds += curve.seconds
        if not state_dicts.are_finite(weights):
            raise Diverged("the final weights are not finite")
        evaluations = self.task.counter.examples + round(sum(self.task.bank_costs.values()))
        return TrainingResult(weights, self._seconds, evaluations, curve.values if curve else [], selected)
