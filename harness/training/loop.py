"""The loop: batches in order, steps of the method, EMA, curve, logs, checkpoints, resume, divergence, interruption."""

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
from harness.training import checkpoint, numerics
from harness.training.config import TrainingConfig
from harness.training.curve import Curve
from harness.training.ema import average
from harness.training.method import FinetuneMethod
from harness.training.order import BatchOrder
from harness.training.task import LiveTask, constrain
from harness.weights import state_dicts

LOG_EVERY = 100
"""Steps between two logs. Also how late a loss that is not finite is noticed: checking each one would wait for the device."""


@dataclass(frozen=True)
class Listener:
    """What the loop tells others."""

    logged: Callable[[int, int, Mapping[str, float]], None]
    saved: Callable[[int, Path], None]


@dataclass(frozen=True)
class Trained:
    """The end of training.

    Args:
        weights: to evaluate: the last or the best ones, EMA where there is one, merged where the method merges.
        seconds: of steps, banks and, where it selects, the curve; over all resumes.
        network_evaluations: examples through networks, counted likewise.
    """

    weights: dict[str, Tensor]
    seconds: float
    network_evaluations: int
    curve: list[dict[str, float]]
    selected_images: int | None


class Loop:
    """Trains one method on one task, from the newest checkpoint in `folder` if there is one.

    Args:
        data: all training examples, on the task's device; of a model that works in latents, what is kept of each image.
        seed: of the data order and of the steps' generators.
        folder: of the checkpoints.
        checkpoint_seconds: between two of them.
    """

    def __init__(
        self,
        task: LiveTask,
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
        self.ema = average(task.model, training)
        self.step = 0
        self._seconds = 0.0
        self._pending: dict[str, list[Tensor]] = {}
        self._clock = time.perf_counter()

    def run(self) -> Trained:
        """Train to the end.

        Raises: Diverged; StorageError; Interrupted after a checkpoint, or inside of a step that draws a bank: then the
            state is that of half a step, and the last checkpoint stands.
        """
        self._resume()
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
            batch = latents.drawn(self.task.model, batch, stream(self.seed, "latents", index))
        with numerics.out_of_memory_means(self._lower), numerics.autocast(self.task.device, self.training):
            scalars = self.method.step(batch, stream(self.seed, "step", index), index)
        if self.ema is not None:
            self.ema.update((index + 1) * self.training.batch)
        constrain(self.task.model)  # averages follow what the update gave, as in EDM2's training
        for name, value in scalars.items():
            self._pending.setdefault(name, []).append(value)
        self.step += 1

    @property
    def _lower(self) -> str:
        """What to do when a step does not fit the memory."""
        now = self.training.micro_batch
        state = f"the whole batch of {self.training.batch}" if now is None else str(now)
        return f"lower `training: micro_batch` (now {state}), which leaves the gradients as they are"

    def _log(self) -> None:
        """Report the means since the last log. Raises: Diverged when one is not finite."""
        if not self._pending:
            return
        names = list(self._pending)
        means = torch.stack([torch.stack([v.float() for v in values]).mean() for values in self._pending.values()]).tolist()
        self._pending.clear()
        values = dict(zip(names, means, strict=True))
        for name, value in values.items():
            if not abs(value) < float("inf"):
                raise Diverged(f"{name} is {value} by step {self.step} of {self.training.steps}")
        self.listener.logged(self.step, self.training.steps, values)

    def _candidate(self) -> dict[str, Tensor]:
        """The weights that would be evaluated now."""
        trained = self.ema.weights() if self.ema is not None else state_dicts.snapshot(self.task.model)
        return dict(self.method.result(trained))

    def _measure(self) -> None:
        images = self.step * self.training.batch
        if self.curve is not None and self.curve.is_due(self.step, self.training.steps, images):
            before = self.task.counter.examples
            try:
                self._add_point(self.curve, images)
            except Interrupted:
                self.task.counter.examples = before
                self._save()  # without the point: it is measured first when training goes on
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
        if not curve.keeps_best:  # a curve that is only looked at is no cost of the method
            self.task.counter.examples = before
        self._clock = time.perf_counter()
        self.listener.logged(self.step, self.training.steps, {"curve": value})

    def _count_time(self) -> None:
        now = time.perf_counter()
        self._seconds += now - self._clock + self.task.take_found_seconds()
        self._clock = now

    def _save(self) -> None:
        self._log()
        self._count_time()
        tensors = {f"model/{name}": value for name, value in state_dicts.snapshot(self.task.model).items()}
        state: dict[str, object] = {
            "method": self.method.state_dict(),
            "seconds": self._seconds,
            "evaluations": self.task.counter.examples,
            "bank_costs": self.task.bank_costs,
        }
        if self.ema is not None:
            tensors |= {f"ema/{name}": value for name, value in self.ema.tensors().items()}
        if self.curve is not None:
            tensors |= {f"best/{name}": value for name, value in self.curve.best.items()}
            state["curve"] = self.curve.state()
        path = checkpoint.write(self.folder, checkpoint.Checkpoint(self.step, tensors, state))
        self.listener.saved(self.step, path)
        self._clock = time.perf_counter()

    def _resume(self) -> None:
        found = checkpoint.read_newest(self.folder)
        if found is None:
            return
        self.step = found.step
        self.task.model.load_state_dict(found.track("model"))
        self.method.load_state_dict(found.state["method"])  # type: ignore[arg-type]
        self._seconds = float(found.state["seconds"])  # type: ignore[arg-type]
        self.task.counter.examples = int(found.state["evaluations"])  # type: ignore[call-overload]
        self.task.bank_costs = dict(found.state["bank_costs"])  # type: ignore[call-overload]
        if self.ema is not None:
            self.ema.restore(found.track("ema"), self.step * self.training.batch)
        if self.curve is not None:
            self.curve.restore(found.state["curve"], found.track("best"))  # type: ignore[arg-type]

    def _end(self) -> Trained:
        self._count_time()
        chosen, selected = self._candidate(), None
        if self.curve is not None and self.curve.keeps_best:
            chosen, selected = self.curve.best, self.curve.best_images
        if not state_dicts.are_finite(chosen):
            raise Diverged("the final weights are not finite")
        banks = self.task.bank_costs.values()
        evaluations = self.task.counter.examples + round(sum(banks))
        seconds = self._seconds + (self.curve.seconds if self.curve is not None and self.curve.keeps_best else 0.0)
        return Trained(chosen, seconds, evaluations, self.curve.values if self.curve else [], selected)
