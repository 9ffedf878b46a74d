"""The thread of one tracker in one job: it opens runs, gives them the lines of logs that they lack, and closes them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.board.components import Resolved
from harness.components import Tracker
from harness.errors import in_one_line
from harness.process import environment
from harness.stages import listening
from harness.stages.followed_log import FollowedLog
from harness.stages.tracked_state import TrackedState
from harness.store.lease import Lost
from harness.store.runs_folder import RunsFolder
from harness.tracking import RunSummary, RunTracker, TrackedRun
from harness.training.training_log import FILE

log = logging.getLogger(__name__)
SHARED = "training"
"""The stage of trainings that several cells share. The log of such a cell repeats the lines of the shared training."""


@dataclass(frozen=True)
class Followed:
    """A training whose log is to be followed; see `Tracking.follow`. kept: the copy of its log beside the records, or None."""

    name: str
    config: Mapping[str, object]
    stage: str
    key: str
    kept: Path | None = None


@dataclass(frozen=True)
class Ended:
    """The end of a cell. followed: its training, where it has one, whose log may have lines that no process followed."""

    name: str
    config: Mapping[str, object]
    summary: RunSummary
    followed: Followed | None


@dataclass
class _OpenRun:
    run: RunTracker
    state: TrackedState
    steps: int = 0


class TrackerThread:
    """One tracker at work. The thread starts with the first thing that there is to log."""

    def __init__(self, tracker: Resolved[Tracker], runs: RunsFolder, board: str) -> None:
        self._tracker, self._runs, self._board = tracker, runs, board
        self._thread: threading.Thread | None = None
        self._waiting: deque[Followed | Ended] = deque()
        self._news = threading.Event()
        self._is_stopped = self._has_failed = False
        self._stopped_at = 0.0
        self._logs: list[tuple[Followed, FollowedLog]] = []
        self._open: dict[str, _OpenRun] = {}

    def put(self, message: Followed | Ended) -> None:
        """Give the thread something to do."""
        if self._has_failed:
            return
        self._waiting.append(message)
        self._news.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._tracker.component.title, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Say that a log has new lines."""
        self._news.set()

    def stop(self) -> None:
        """Tell the thread to close its runs."""
        self._is_stopped, self._stopped_at = True, time.monotonic()
        self._news.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread, at most so long; then say that it is left alone."""
        if self._thread is None:
            return
        self._thread.join(seconds)
        if self._thread.is_alive():
            waited = time.monotonic() - self._stopped_at
            self._tell(f"it is still busy {waited:.0f} s after the end of the job, and is left")

    def _work(self) -> None:
        try:
            while not self._is_stopped:
                self._news.wait()
                self._news.clear()
                self._step()
            self._step()
            self._end()
        except Lost:  # another process has the job now, and shows it
            self._has_failed = True
            self._give_up()
        except (Exception, SystemExit) as error:  # code of a plugin and of its package may raise anything
            self._has_failed = True
            self._tell(in_one_line(error))
            self._give_up()

    def _give_up(self) -> None:
        for name in list(self._open):
            with suppress(Exception, SystemExit):
                self._close(name)

    def _tell(self, text: str) -> None:
        """Show a failure, once in a run, whichever process it comes from."""
        if listening.is_first(self._runs, self._mark):
            log.warning("%s: %s; cells go on without it", self._tracker.component.title, text)

    @property
    def _mark(self) -> str:
        return self._tracker.component.title.replace(" ", "-")

    @property
    def has_failed_before(self) -> bool:
        """Whether the tracker has failed in this run, in any process."""
        return listening.was_shown(self._runs, self._mark)

    def _step(self) -> None:
        while self._waiting:
            message = self._waiting.popleft()
            if isinstance(message, Followed):
                self._follow(message)
            else:
                self._finish(message)
        self._read_logs()

    def _follow(self, followed: Followed) -> None:
        if all(known != followed for known, _ in self._logs):
            self._logs.append((followed, FollowedLog(self._log_files(followed), followed.key)))

    def _log_files(self, followed: Followed) -> list[Path]:
        """Return where the log of a training may be: while it trains, in its output, and beside the records of its board."""
        stages = [self._runs.work(followed.stage, followed.key), self._runs.stage(followed.stage, followed.key)]
        return [*(folder / FILE for folder in stages), *([] if followed.kept is None else [followed.kept])]

    def _read_logs(self) -> None:
        for followed, file in self._logs:
            for number, line in file.new_lines():
                run = self._opened(followed)
                if run.state.has(followed.stage, number):
                    continue
                run.state.note(followed.stage, followed.key, number)
                run.steps = line.step
                if not (run.state.follows(SHARED) and followed.stage != SHARED and "curve" not in line.values):
                    run.run.log(line.step, line.images, line.values)

    def _finish(self, ended: Ended) -> None:
        if ended.followed is not None:
            self._follow(ended.followed)
            self._read_logs()
        run = self._opened(ended.followed or Followed(ended.name, ended.config, "", ""))
        run.state.finish()
        run.run.finish(ended.summary)
        self._close(ended.name)

    def _end(self) -> None:
        """Close what is open. A base whose output is there is done; a cell without its record will go on."""
        for followed, _ in self._logs:
            is_made = followed.stage == "base" and self._runs.stage("base", followed.key).is_dir()
            if is_made and (run := self._open.get(followed.name)) is not None:
                run.state.finish()
                run.run.finish(RunSummary("done", steps=run.steps))
        for name in list(self._open):
            self._close(name)

    def _close(self, name: str) -> None:
        self._open.pop(name).run.close()

    def _opened(self, followed: Followed) -> _OpenRun:
        """Return the open run of a cell or base: the one of a process that was killed, or a new one."""
        if followed.name not in self._open:
            name, tracker = followed.name, self._tracker
            state = TrackedState.of(self._runs.tracked(tracker.name, self._board, name), followed.stage, followed.key)
            folder = self._runs.tracker(tracker.name)
            folder.mkdir(parents=True, exist_ok=True)
            tags = {"board": self._board, "cell": name, "seed": str(followed.config.get("seed", ""))}
            tags |= {"commit": commit} if (commit := environment.commit()) else {}
            run = TrackedRun(state.run, self._board, name, followed.config, tags, folder, is_resumed=state.is_resumed)
            state.save()
            self._open[name] = _OpenRun(tracker.component.create(tracker.settings, run), state)
        return self._open[followed.name]
