"""The training loop: batches in order, rounds, steps, averages, curve, logs, checkpoints, resume, divergence, stops."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from harness.capabilities import WorksInLatents
from harness.errors import Diverged, Interrupted, UserError
from harness.indexed import IndexedExamples
from harness.interfaces import Batch
from harness.process import stop
from harness.process.out_of_memory import out_of_memory_advice
from harness.sampling import latents
from harness.streams import stream
from harness.training import checkpoint, precision
from harness.training.checkpoint import Checkpoint, TrainingState
from harness.training.config import TrainingConfig
from harness.training.curve import Curve, Place
from harness.training.ema import WeightAverage, make_average
from harness.training.lost_candidates import LostCandidates
from harness.training.method import FinetuneMethod
from harness.training.method_result import checked_result
from harness.training.micro_batches import micro_batch_advice
from harness.training.reader import BatchReader
from harness.training.rounds import Round, rounds_of
from harness.training.scalar_means import ScalarMeans
from harness.training.step_clock import StepClock
from harness.training.surroundings import Surroundings
from harness.training.task import TrainingTask, constrain
from harness.training.training_log import LogLine
from harness.training.training_result import TrainingResult
from harness.weights import state_dicts


class TrainingLoop:
    """Trains one method on one task, and goes on from the newest checkpoint in the folder if there is one.

    Args:
        data: the training examples; for a model that works in latents, what `encode_images` gave of them.
        training: the budget, and what the loop does around each step.
        seed: seed of the data order and of the generators of steps.
        around: files and functions around the loop.
        curve: measurements along training; None measures nothing.
        name: name of the method, with which messages about it begin.
    Raises: UserError for a method whose rounds choose by a curve, where there is none.
    """

    def __init__(
        self,
        task: TrainingTask,
        method: FinetuneMethod,
        data: IndexedExamples | Batch,
        training: TrainingConfig,
        *,
        seed: int,
        around: Surroundings,
        curve: Curve | None = None,
        name: str = "the method",
    ) -> None:
        self.task, self.method, self.training = task, method, training
        self.seed, self.around, self.curve, self.name = seed, around, curve, name
        self.is_in_latents = isinstance(task.model, WorksInLatents)
        self.reader = BatchReader.of(data, training, task.device, seed=seed)
        self.plan = rounds_of(method.config)
        self.rounds = self.plan.schedule(training.steps)
        if self.plan.chooses and (curve is None or not curve.keeps_best):
            raise UserError(f"{name}: `reference: best` needs a curve to choose by")
        self.average = self._new_average(self.rounds.all[0])
        self._start = state_dicts.snapshot(task.model) if self.rounds.candidates > 1 else {}
        self.step = 0
        self.lost = LostCandidates(self.rounds)
        self._counts_graphs = True
        self._scalars = ScalarMeans(name)
        self.clock = StepClock(task.device, lambda: task.take_seconds_of_reused_banks())

    def run(self) -> TrainingResult:
        """Train to the end, together with the other processes of the job, each of which calls this.

        Raises:
            Diverged: a logged scalar, a weight or the curve's metric is not finite; with candidates, of the last one left, or at
                the start, which they share.
            StorageError: a checkpoint cannot be written.
            UserError: the memory does not suffice for a step, or the method returned something that it must not return.
            Interrupted: a stop was requested. A checkpoint of the last finished step has been written, with one exception: a
                stop while a step draws a bank leaves an earlier checkpoint as the newest, because half a step cannot be saved.
        """
        self._begin()
        with stop.saves_state():
            self.advance(self.rounds.total)
            self.task.end_together()
            return self.end()

    def advance(self, until: int) -> None:
        """Take steps until so many have been taken, over all rounds and candidates. Raises: like `run`."""
        with self.reader.open():
            self.clock.start()
            steps, saved_at = self.rounds.total, time.monotonic()
            with self._losing(self.rounds.of_last_step(self.step)):
                self._measure()
            while self.step < until:
                part = self.rounds.of_next_step(self.step)
                with self._losing(part):
                    self._take_step(part)
                if stop.is_requested():
                    with self._losing(part):
                        self._save()
                    raise Interrupted
                if time.monotonic() - saved_at > self.around.checkpoint_seconds and self.step < steps:
                    with self._losing(part):
                        self._save()
                    saved_at = time.monotonic()

    def _take_step(self, part: Round) -> None:
        """Take the next step, with what is due before and after it."""
        if self.step == part.starts_after:
            self._enter_round(part)
        self._step(part)
        # Each candidate's last scalars are looked at before it is kept: the next one's log would lose the wrong candidate.
        is_due = self.step % self.around.log_every == 0 or self.step == part.starts_after + part.steps
        if is_due or self.step == 1:
            self.task.check_replicas(self.name, self.step)
        if is_due:
            self._log()
        self._measure()

    @contextmanager
    def _losing(self, part: Round) -> Iterator[None]:
        """Let a candidate of a round that diverges in the block end, in the place of the training."""
        try:
            yield
        except Diverged:
            # The others of a crew may not have noticed, and all candidates share what is wrong before the first step.
            if self.task.crew.size > 1 or self.step == 0 or not self.lost.can_lose(part):
                raise
        else:
            return
        # The rest of the candidate is left out. The weights that a next round would start from are finite.
        self._scalars.clear()
        self._report_round({**self.rounds.numbers(part), "diverged": 1})
        self.lost.add(part, self.step)
        self.step = part.starts_after + part.steps
        self.task.model.load_state_dict(self._next_start())
        self.average = self._new_average(part)

    def _enter_round(self, part: Round) -> None:
        """Begin a round: with its start weights, averages that begin there, and a method that has forgotten earlier rounds."""
        if self.step > 0:
            weights = self._start if part.candidate else self._next_start()
            if self.rounds.candidates > 1:  # a copy: a checkpoint holds no tensor under two names
                self._start = {name: value.clone() for name, value in weights.items()}
            self.task.model.load_state_dict(weights)
            constrain(self.task.model)  # averages may lie beside the set
            self.method.begin_round(part)
            self.average = self._new_average(part)
        if len(self.rounds.all) > 1:
            self._report_round({**self.rounds.numbers(part), **self.plan.values(part)})

    def _next_start(self) -> dict[str, Tensor]:
        """Return the weights that the next round starts from."""
        if self.plan.chooses and self.curve is not None:
            return self.curve.best_raw or self.curve.best
        return self.candidate() if self.plan.reference_weights == "averaged" else state_dicts.snapshot(self.task.model)

    def _new_average(self, part: Round) -> WeightAverage | None:
        return make_average(self.task.model, self.training, part.steps * self.training.batch)

    def _step(self, part: Round) -> None:
        in_round = self.step - part.starts_after
        index = part.first_step + in_round
        batch = self.reader.batch(index)
        if self.is_in_latents:
            batch = latents.network_batch(self.task.model, batch, stream(self.seed, "latents", index))
        with (
            out_of_memory_advice(micro_batch_advice(self.training)),
            precision.autocast(self.task.device, self.training),
            self.task.sharing(),
        ):
            scalars = self.method.step(batch, stream(self.seed, "step", index), index)
        if self.average is not None:
            self.average.update((in_round + 1) * self.training.batch)
        constrain(self.task.model)  # after the average, which follows what the update gave, as in EDM2's training
        self._scalars.add(scalars, self.step)
        self.step += 1

    @property
    def _when(self) -> str:
        return f"step {self.step} of {self.rounds.total}"

    def _log(self) -> None:
        """Report the means since the last log. Raises: Diverged when one of them is not finite."""
        if means := self._scalars.means(self._when):
            self._scalars.clear()
            self._report(means)

    def _report_round(self, facts: Mapping[str, float]) -> None:
        self._report({f"round/{name}": float(value) for name, value in facts.items()})

    def _report(self, values: Mapping[str, float]) -> None:
        if self.around.log is not None:
            self.around.log.add(LogLine(self.step, self.step * self.training.batch, values))
        self.around.listener.step_logged(self.step, self.rounds.total, values)

    def candidate(self) -> dict[str, Tensor]:
        """Return the weights that would be evaluated now. Raises: UserError when the method's `result` gives something else."""
        return checked_result(self.method.result, self.trained(), self.name)

    def trained(self) -> dict[str, Tensor]:
        """Return the trained weights as they are now, or their average, before the method's `result`."""
        return self.average.weights() if self.average is not None else state_dicts.snapshot(self.task.model)

    def _measure(self) -> None:
        """Add a point to the curve where one is due. A stop during the measurement writes a checkpoint without the point."""
        part = self.rounds.of_last_step(self.step)
        if self.lost.has(part):
            return
        in_round = self.step - part.starts_after
        place = {"images": (part.first_step + in_round) * self.training.batch, **self.rounds.numbers(part)}
        if self.curve is not None and self._is_due(self.curve, part, in_round, place):
            try:
                self._add_point(self.curve, place)
            except Interrupted:
                self._save()  # the point is measured first when training goes on
                raise

    def _is_due(self, curve: Curve, part: Round, in_round: int, place: Place) -> bool:
        """Return whether the curve has a point here.

        Where a round has points of its own, the last of them is at its end. The start of a later round has its value already:
        that of the point that was chosen, or of the last one.
        """
        of_round = self.plan.points_of_round(curve.points, curve.points_in_round)
        if of_round is None:
            return curve.is_due(part.first_step + in_round, self.training.steps, place)
        return curve.is_due(in_round, part.steps, place, points=of_round)

    def _add_point(self, curve: Curve, place: Place) -> None:
        counter = self.task.counter
        with self.clock.apart(), counter.apart():  # the curve counts its own seconds
            before = counter.examples
            candidate = self.candidate()
            if not state_dicts.are_finite(candidate):
                raise Diverged(f"weights are not finite at {self._when}")
            is_raw = self.plan.chooses and self.plan.reference_weights == "raw"
            value = curve.add(place, candidate, state_dicts.snapshot(self.task.model) if is_raw else None)
            curve.evaluations += counter.examples - before  # after the point: one that is interrupted is measured again
        if not math.isfinite(value):
            raise Diverged(f"the curve's metric is {value} at {self._when}")
        self._report({"curve": value})

    def _save(self) -> None:
        if self.around.log is not None:
            self.around.log.sync()
        path = self.save(self.around.folder)
        self.around.listener.checkpoint_written(self.step, path)
        self.clock.start()  # writing a checkpoint is no cost of the method

    def save(self, folder: Path) -> Path:
        """Write a checkpoint of this moment under a folder. Returns: the checkpoint's folder. Raises: Diverged, StorageError."""
        self._scalars.means(self._when)  # first, so that a state that has diverged is never saved
        self.clock.count()
        tensors = {f"model/{name}": value for name, value in state_dicts.snapshot(self.task.model).items()}
        state: TrainingState = {
            "method": self.method.state_dict(),
            "seconds": self.clock.seconds,
            "evaluations": self.task.counter.examples,
            "evaluations_with_graph": self.task.counter.examples_with_graph if self._counts_graphs else None,
            "bank_costs": self.task.bank_costs,
            "unlogged": self._scalars.state(),
            "lost": self.lost.state(),
        }
        if self.around.log is not None:
            state["log_lines"] = self.around.log.lines
        tensors |= {f"start/{name}": value for name, value in self._start.items()}
        if self.average is not None:
            tensors |= {f"ema/{name}": value for name, value in self.average.tensors().items()}
        if self.curve is not None:
            tensors |= {f"best/{name}": value for name, value in self.curve.best.items()}
            tensors |= {f"best_raw/{name}": value for name, value in self.curve.best_raw.items()}
            state["curve"] = self.curve.state()
        return checkpoint.write(folder, Checkpoint(self.step, tensors, state))

    def _begin(self) -> None:
        newest = self._newest()
        if newest is not None:
            self.restore(newest)
        self.task.begin_together()
        if self.around.log is not None:
            self.around.log.begin(*((None,) if newest is None else (newest.step, newest.state.get("log_lines"))))

    def _newest(self) -> Checkpoint | None:
        """Return the checkpoint to go on from, which is the lead's choice; None for the start."""
        crew = self.task.crew
        mine = checkpoint.read_newest(self.around.folder) if crew.is_lead else None
        step = crew.agree(lambda: None if mine is None else mine.step)
        return mine if mine is not None or step is None else checkpoint.read_step(self.around.folder, step)

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.step = saved.step
        self.task.model.load_state_dict(saved.track("model"))
        self.method.load_state_dict(saved.state["method"])
        self.clock.seconds = saved.state["seconds"]
        with_graph = saved.state.get("evaluations_with_graph")
        self.task.counter.examples, self.task.counter.examples_with_graph = saved.state["evaluations"], with_graph or 0
        self._counts_graphs = with_graph is not None
        self.task.bank_costs = dict(saved.state["bank_costs"])
        self._scalars.restore(saved.state.get("unlogged", {}), self.task.device)
        self.lost.restore(saved.state.get("lost", {}))
        part = self.rounds.of_last_step(self.step)
        self._start = saved.track("start")
        self.average = self._new_average(part)
        if self.average is not None:
            self.average.restore(saved.track("ema"), (self.step - part.starts_after) * self.training.batch)
        if self.curve is not None:
            self.curve.restore(saved.state["curve"], saved.track("best"), saved.track("best_raw"))

    def end(self) -> TrainingResult:
        """Return the result of the finished training. Raises: Diverged for weights that are not finite."""
        self.clock.count()
        weights, selected, curve, evaluations = self.candidate(), None, self.curve, self.task.evaluations()
        seconds = seconds_training = self.clock.seconds
        evaluations = evaluations if curve is None else replace(evaluations, selection=curve.evaluations)
        network_evaluations = evaluations.forward + evaluations.backward
        if curve is not None and curve.keeps_best:  # the curve is a cost of what it chose
            seconds += curve.seconds
            network_evaluations += evaluations.selection
        if curve is not None and self.training.select == "best":
            weights, selected = curve.best, curve.best_images
        if not state_dicts.are_finite(weights):
            raise Diverged("the final weights are not finite")
        return TrainingResult(
            weights,
            seconds,
            network_evaluations,
            curve.values if curve else [],
            selected,
            state_dicts.parameters(self.task.model),
            evaluations if self._counts_graphs else None,
            self.step - self.lost.steps_left_out,
            seconds_training,
        )
