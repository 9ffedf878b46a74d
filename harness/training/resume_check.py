"""Smoke runs check that training resumes exactly: what a method leaves out of its state would give other numbers after a kill."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from harness.errors import UserError
from harness.store.files import remove_folder
from harness.training import checkpoint
from harness.training.loop import TrainingLoop
from harness.training.state_differences import difference, state_difference
from harness.training.surroundings import Listener, Surroundings
from harness.training.training_result import TrainingResult
from harness.weights import state_dicts

LoopMaker = Callable[[Surroundings], TrainingLoop]
"""Makes a training loop of new objects: network, method, sampler, curve."""
Logs = list[tuple[int, Mapping[str, float]]]
"""Step and values of each log."""
SHOWN = 3
"""Differences that the message shows."""


def run_checked(make: LoopMaker, around: Surroundings) -> TrainingResult:
    """Train to the end; then train the second half again, in new objects that are restored from a checkpoint, and compare.

    Training begins anew where an earlier call was interrupted, since a smoke run takes seconds. On a CPU both trainings must
    agree bit for bit to the end. Elsewhere kernels need not repeat, and only the results directly after the restoring must.

    Returns: the result of the undisturbed training.
    Raises: UserError when the restored training differs; what `TrainingLoop.run` raises.
    """
    remove_folder(around.folder)
    if around.log is not None:
        around.log.begin(None)
    logs, logs_again = Logs(), Logs()
    undisturbed = make(dataclasses.replace(around, listener=_noting(logs, around.listener)))
    steps = undisturbed.rounds.total
    undisturbed.advance(steps // 2)
    folder = around.folder / "resumed"
    undisturbed.save(folder)
    result_then = undisturbed.candidate()
    logs.clear()
    undisturbed.advance(steps)
    result = undisturbed.end()

    resumed = make(Surroundings(folder, 1e9, _noting(logs_again, Listener()), around.log_every))
    _restore(resumed, folder)
    _expect_none(difference(result_then, resumed.candidate()), "its result, before it takes a step", resumed, steps // 2)
    if resumed.task.device.type == "cpu":
        resumed.advance(steps)
        for what, moved in _differences(undisturbed, resumed).items():
            _expect_none(moved, what, resumed, steps // 2)
        _expect_none(_steps_that_differ(logs, logs_again), "the steps at which it logs", resumed, steps // 2)
        _expect_none(_logs_that_differ(logs, logs_again), "what it logs", resumed, steps // 2)
    return result


def _restore(loop: TrainingLoop, folder: Path) -> None:
    """Restore a loop from the checkpoint that was written a moment ago. Raises: UserError when the method's state cannot be."""
    saved = checkpoint.read_newest(folder)
    if saved is None:
        raise UserError(
            f"{loop.name}: a checkpoint cannot be read back: state_dict must hold tensors and plain values in plain containers"
        )
    try:
        loop.restore(saved)
    except Exception as error:  # a plugin may raise anything
        reason = traceback.format_exception_only(error)[-1].strip()
        raise UserError(f"{loop.name}: a new object cannot be restored from a checkpoint: {reason}") from error


def _noting(logs: Logs, listener: Listener) -> Listener:
    """Return a listener that notes all logs, and passes them on."""

    def step_logged(step: int, steps: int, values: Mapping[str, float]) -> None:
        logs.append((step, values))
        listener.step_logged(step, steps, values)

    return dataclasses.replace(listener, step_logged=step_logged)


def _differences(undisturbed: TrainingLoop, resumed: TrainingLoop) -> dict[str, list[str]]:
    """Return what differs between two trainings at their end, by what it belongs to."""
    weights = [state_dicts.snapshot(loop.task.model) for loop in (undisturbed, resumed)]
    buffers = [dict[str, Tensor](loop.task.model.named_buffers()) for loop in (undisturbed, resumed)]
    curves = [[] if loop.curve is None else loop.curve.values for loop in (undisturbed, resumed)]
    return {
        "its weights": difference(*weights),
        "buffers of the network that its state dict leaves out": difference(*buffers),
        "its result": difference(undisturbed.candidate(), resumed.candidate()),
        "its state": state_difference(undisturbed.method.state_dict(), resumed.method.state_dict()),
        "its curve": state_difference(*curves),
    }


def _steps_that_differ(logs: Logs, again: Logs) -> list[str]:
    return [str(step) for step in sorted({step for step, _ in logs} ^ {step for step, _ in again})]


def _logs_that_differ(logs: Logs, again: Logs) -> list[str]:
    return [f"{path} of step {step}" for (step, values), (_, others) in zip(logs, again, strict=True)
            for path in state_difference(values, others)]  # fmt: skip


def _expect_none(moved: list[str], what: str, resumed: TrainingLoop, step: int) -> None:
    if moved:
        more = f" and {len(moved) - SHOWN} more" if len(moved) > SHOWN else ""
        raise UserError(
            f"{resumed.name}: training that went on from a checkpoint after step {step} of {resumed.rounds.total}, in new "
            f"objects, differs from undisturbed training in {what}: {', '.join(moved[:SHOWN])}{more}. A run that is killed would "
            "give other numbers: put all state in keep(…) or state_dict"
        )
