"""Progress of a run on stderr: a line for each finished job and, on a terminal, a block of lines on what runs now."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cli.output import duration, remark

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from harness.run.events import RunEvent
    from harness.store.progress import Progress
    from harness.store.runs_folder import RunsFolder

Listener = Callable[["RunEvent"], None]
EVERY_SECONDS = 0.5


@contextmanager
def show_progress(runs: RunsFolder) -> Iterator[Listener]:
    """Give a listener for `run_board`. On a terminal, lines below show what each process does while the block runs."""
    if not sys.stderr.isatty():
        yield lambda event: remark(line(event))
        return
    from rich.console import Console

    console = Console(stderr=True)
    with _live(console, runs):
        yield lambda event: console.print(line(event), markup=False, highlight=False)


def line(event: RunEvent) -> str:
    """Return a line on a job that has ended: `[3/18] ddpm-10/ddo/s0: done (w2 0.0247)`."""
    return f"[{event.ended}/{event.total}] {event.text}"


@contextmanager
def _live(console: Console, runs: RunsFolder) -> Iterator[None]:
    """Show a block of lines at the bottom of the terminal; a thread draws the block again while the caller waits for jobs."""
    from rich.live import Live

    from harness.store.progress import read

    over = threading.Event()
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def draw() -> None:
            while not over.wait(EVERY_SECONDS):
                live.update(_block(read(runs)), refresh=True)

        thread = threading.Thread(target=draw, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _block(running: list[Progress]) -> RenderableType:
    from rich.text import Text

    return Text("\n".join(running_line(progress) for progress in running))


def running_line(progress: Progress) -> str:
    """Return a line on what a process does: `ddpm-10/ddo/s0  finetune  1200/2344  loss 0.693  350 images/s  35 s, 20 s left`."""
    step = f"{progress.step}/{progress.steps}" if progress.steps else ""
    values = "  ".join(f"{name} {value:z.4g}" for name, value in progress.values.items())
    speed = "" if progress.images_per_second is None else f"{progress.images_per_second:,.4g} images/s"
    left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
    parts = (progress.job, progress.stage, step, values, speed, f"{duration(progress.seconds)}{left}")
    return "  ".join(part for part in parts if part)


def running_line_with_machine(progress: Progress) -> str:
    """Return a line on what a process does, and where: its machine, its process, and its job in the queue of a cluster."""
    job = f", job {progress.job_id}" if progress.job_id else ""
    return f"{running_line(progress)}  ({progress.host or 'unnamed host'}, process {progress.pid}{job})"
