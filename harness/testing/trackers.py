"""Conformance of trackers: runs can be opened, logged to, closed, and gone on with, side by side and as a job calls them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from harness.components import Tracker
from harness.config import Config
from harness.testing.checks import Checks, run_all
from harness.testing.configs import component_checks
from harness.testing.expect import expect
from harness.testing.metrics import numpy_randomness
from harness.tracking import RunSummary, RunTracker, TrackedRun

SUMMARY = RunSummary("done", "", 300, {"fid[digits-cnn]": 2.5}, {"steps": 300.0}, {"key": "0" * 24})
"""The end of a run, as a cell has it."""


def check_tracker(component: Tracker, *, config: Config | None = None) -> None:
    """Run all checks of this module, and those of every component.

    Args:
        config: settings that need neither a network nor an account; by default those of `smoke`.
    """
    run_all([*component_checks(component), *tracker_checks(component, config=config)])


def tracker_checks(component: Tracker, *, config: Config | None = None) -> Checks:
    """Yield the checks of this module; see `check_tracker`."""
    settings = component.config.model_validate(dict(component.smoke)) if config is None else config
    yield partial(check_runs_can_be_written, component, settings)


def check_runs_can_be_written(tracker: Tracker, config: Config) -> None:
    """Check that two runs are open at once, that a killed one goes on, and that the process keeps its global randomness."""
    with TemporaryDirectory() as folder:
        before = torch.get_rng_state().numpy().tobytes(), numpy_randomness()
        _in_a_thread(lambda: _write(tracker, config, Path(folder)))
        after = torch.get_rng_state().numpy().tobytes(), numpy_randomness()
        expect(before == after, f"{tracker.title} changes global randomness")


def _write(tracker: Tracker, config: Config, folder: Path) -> None:
    first, second = example_run(folder, "net/fit/s0"), example_run(folder, "net")
    runs = [tracker.create(config, first), tracker.create(config, second)]
    for run in runs:
        _log(run, 100)
    runs[0].close()  # it was interrupted
    resumed = tracker.create(config, example_run(folder, "net/fit/s0", is_resumed=True))
    for run in (resumed, runs[1]):
        _log(run, 200)
        run.log(100, 6400, {"curve": 2.0})  # a curve that is measured after the training
        run.finish(SUMMARY)
        run.close()


def _log(run: RunTracker, step: int) -> None:
    run.log(step, 64 * step, {"loss": 0.5, "round/number": 1.0})


def example_run(folder: Path, name: str, *, is_resumed: bool = False) -> TrackedRun:
    """Return a run as jobs make it. folder: of the tracker, which exists. name: of a cell or base; its id follows from it."""
    config: dict[str, object] = {
        "method": {"name": "fit", "version": "1/1", "settings": {"lr": 0.1}},
        "training": {"images": 51200, "batch": 64},
        "seed": 0,
    }
    tags = {"board": "example", "cell": name, "seed": "0", "commit": "0123456789ab+"}
    return TrackedRun(f"{len(name):016x}", "example", name, config, tags, folder, is_resumed)


def _in_a_thread(work: Callable[[], None]) -> None:
    """Call a function in a thread, as jobs call trackers. Raises: what it raises."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            work()
        except BaseException as error:  # it is raised again below, in the thread of the test
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
