"""Progress of a run on stderr: bars on a terminal, one line a finished job elsewhere."""

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
def show_progress(layout: RunsFolder) -> Iterator[Listener]:
    """A listener for `run_board`; while the block runs, what each process does is shown."""
    if not sys.stderr.isatty():
        yield lambda event: remark(line(event))
        return
    from rich.console import Console

    console = Console(stderr=True)
    with _live(console, layout):
        yield lambda event: console.print(line(event), markup=False, highlight=False)


def line(event: RunEvent) -> str:
    """`[3/18] ddpm-10/ddo/s0: done (w2 0.0247)`."""
    return f"[{event.ended}/{event.total}] {event.text}"


@contextmanager
def _live(console: Console, layout: RunsFolder) -> Iterator[None]:
    """A block at the bottom of the terminal, drawn again by a thread while the caller waits for jobs."""
    from rich.live import Live

    from harness.store.progress import read

    over = threading.Event()
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def draw() -> None:
            while not over.wait(EVERY_SECONDS):
                live.update(_block(read(layout)), refresh=True)

        thread = threading.Thread(target=draw, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _block(running: list[Progress]) -> RenderableType:
    from rich.text import Text

    return Text("\n".join(running_line(one) for one in running))


def running_line(one: Progress) -> str:
    """`ddpm-10/ddo/s0  finetune  1200/2344  loss 0.693  35 s`."""
    step = f"{one.step}/{one.steps}" if one.steps else ""
    values = "  ".join(f"{name} {value:.4g}" for name, value in one.values.items())
    return "  ".join(part for part in (one.job, one.stage, step, values, duration(one.seconds)) if part)
