"""A training that cells share which differ only in settings that the method's `result` reads, or in what is selected.

The training measures nothing. It keeps its weights at each point of the curve and at the end, and each cell measures what the
`result` of its own method makes of them.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from harness.errors import Diverged
from harness.stages.curve_measuring import MergedPoint
from harness.stages.facts import SharedTrainingFacts
from harness.store.files import Damage, StorageError, appearing_folder, set_aside, storage
from harness.store.manifests import MANIFEST, read_manifest, write_manifest
from harness.store.outputs import Output
from harness.training.curve import Curve, is_point
from harness.training.evaluations import Evaluations
from harness.training.loop import TrainingLoop
from harness.training.method import FinetuneMethod
from harness.training.method_result import checked_result
from harness.training.surroundings import Surroundings
from harness.training.training_log import FILE, LogLine, read_log
from harness.training.training_result import TrainingResult
from harness.weights import state_dicts

PREFIX = "after-"
"""How the names of files and folders with kept weights begin; the images seen follow."""


class KeepingLoop(TrainingLoop):
    """A training loop that keeps the trained weights where another one measures its curve."""

    points: int | None = None
    """Number of the curve's points; None keeps the last weights alone."""

    def candidate(self) -> dict[str, Tensor]:
        """Return the trained weights. What `result` makes of them, and whether that is finite, is each cell's own affair."""
        return self.trained()

    def _measure(self) -> None:
        """Keep the weights where a point is due, before the method's `result`. Raises: Diverged unless they are finite."""
        steps = self.training.steps
        if self.step < steps and not (self.points is not None and is_point(self.step, steps, self.points)):
            return
        with self.clock.apart():
            trained = self.trained()
            if not state_dicts.are_finite(trained):
                raise Diverged(f"weights are not finite at {self._when}")
            images = self.step * self.training.batch
            with appearing_folder(self.around.folder / f"{PREFIX}{images}") as scratch:
                state_dicts.save(trained, scratch / _name(images))
                with storage(scratch):
                    write_manifest(scratch, {"training": self.around.folder.name, "images": images})


def keep(trained: TrainingResult, work: Path, folder: Path) -> dict[str, object]:
    """Copy the kept weights into the folder of the output. work: the folder of the checkpoints.

    Returns: its facts, without sources and banks.
    Raises: StorageError, also when kept weights were damaged since; the whole training is then set aside, to be taken again.
    """
    points = sorted(int(path.name.removeprefix(PREFIX)) for path in work.glob(f"{PREFIX}*"))
    for images in points:
        kept = work / f"{PREFIX}{images}"
        try:
            if read_manifest(kept, frozenset()).fields.get("images") != images:
                raise Damage(f"{MANIFEST}: of another point")
        except Damage as damage:
            aside = set_aside(work).name
            raise StorageError(f"{kept} is damaged ({damage}); the training is set aside as {aside}; run again") from damage
        with storage(folder):
            shutil.copyfile(kept / _name(images), folder / _name(images))
    return {
        "points": points,
        "seconds": trained.seconds,
        "network_evaluations": trained.network_evaluations,
        "backward_evaluations": None if trained.evaluations is None else trained.evaluations.backward,
        "parameters": trained.parameters,
    }


@dataclass(frozen=True)
class Merging:
    """Measures what the method of one cell makes of a training that the cell may share with others.

    Args:
        shared: the output of the training.
        key: key of the training.
        method: the cell's own method, made on the base.
        name: name of the method, with which messages begin.
        curve: the cell's own curve; None measures nothing.
        around: of the cell. Its log has the lines of the training and the points of the cell's curve.
        batch: training images of a step.
        evaluations: returns how many examples went through networks while the curve was measured.
        point: the point that is measured, for the curve.
    """

    shared: Output
    key: str
    method: FinetuneMethod
    name: str
    curve: Curve | None
    around: Surroundings
    batch: int
    evaluations: Callable[[], int]
    point: MergedPoint

    def result(self) -> TrainingResult:
        """Return the result that the training would have had with this method alone.

        Raises: Diverged where `result` gives weights that are not finite, or the metric is not; UserError; Interrupted.
        """
        facts, last = SharedTrainingFacts.of(self.shared), dict[str, Tensor]()
        lines = read_log(self.shared.folder / FILE, self.key)
        if self.around.log is not None:
            self.around.log.begin(None)
        for images in facts.points:
            step = images // self.batch
            self._log([line for line in lines if line.step <= step])
            lines = [line for line in lines if line.step > step]
            last = merged_weights(self.method, self.shared, images, self.name)
            if not state_dicts.are_finite(last):
                raise Diverged(f"weights are not finite at step {step} of {facts.points[-1] // self.batch}")
            self._measure(images, last, facts.points[-1])
        trained = TrainingResult(last, facts.seconds, facts.network_evaluations, [], None, facts.parameters)
        steps = facts.points[-1] // self.batch
        trained = replace(trained, evaluations=self._evaluations(facts), steps=steps, seconds_training=facts.seconds)
        return self._chosen(trained)

    def _evaluations(self, facts: SharedTrainingFacts) -> Evaluations | None:
        backward = facts.backward_evaluations
        if backward is None:
            return None
        return Evaluations(facts.network_evaluations - backward, backward, self.evaluations())

    def _measure(self, images: int, weights: Mapping[str, Tensor], all_images: int) -> None:
        if self.curve is None:
            return
        step, steps = images // self.batch, all_images // self.batch
        self.point.images = images
        value = self.curve.add({"images": images}, weights)
        if not math.isfinite(value):
            raise Diverged(f"the curve's metric is {value} at step {step} of {steps}")
        self._log([LogLine(step, images, {"curve": value})])
        self.around.listener.step_logged(step, steps, {"curve": value})

    def _chosen(self, trained: TrainingResult) -> TrainingResult:
        """Return the result with the curve, and with the weights and the costs of the selection where there is one."""
        curve = self.curve
        if curve is None:
            return trained
        if not curve.keeps_best:  # only a curve that selects weights is a cost of the method
            return replace(trained, curve=curve.values)
        return replace(
            trained,
            weights=curve.best,
            seconds=trained.seconds + curve.seconds,
            network_evaluations=trained.network_evaluations + self.evaluations(),
            curve=curve.values,
            selected_images=curve.best_images,
        )

    def _log(self, lines: Sequence[LogLine]) -> None:
        if self.around.log is not None:
            for line in lines:
                self.around.log.add(line)


def merged_weights(method: FinetuneMethod, shared: Output, images: int, name: str) -> dict[str, Tensor]:
    """Return what a method makes of the weights that a training kept after so many images. name: that of the method."""
    return checked_result(method.result, state_dicts.load(shared.folder / _name(images)), name)


def _name(images: int) -> str:
    return f"{PREFIX}{images}.safetensors"
