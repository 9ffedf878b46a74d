"""The call of a job in its worker, as submitit pickles it: it answers, or it saves its state and goes back into the queue.

Importing this module costs neither torch nor submitit: the worker imports it before it takes its signals.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from traceback import format_exception_only
from types import FrameType
from typing import TYPE_CHECKING

from harness.process import stop, worker

if TYPE_CHECKING:
    from submitit.core.job_environment import JobEnvironment
    from submitit.core.utils import DelayedSubmission

FROM_CLUSTER = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Signals of Slurm: it takes the machine back, or the time limit is near. Clusters choose between the last two."""
IDLE_SECONDS = 2.0
"""Time that a job which has nothing to save may go on after the user has stopped the run."""
WATCH_SECONDS = 0.2
SCONTROL_SECONDS = 60
GIVEN_UP = 1
"""Exit code of a job that was told to stop and had nothing to save."""


@dataclass(frozen=True)
class Answer:
    """The end of a job in its worker.

    Args:
        value: what the function returned.
        death: the text of what it raised; None where it returned.
        wants_restart: whether the cluster stopped the job, and the worker could not put it back into the queue by itself.
    """

    value: object = None
    death: str | None = None
    wants_restart: bool = False


class QueuedCall:
    """A job's function and arguments, pickled. Has what submitit asks of a call that can be queued again: `checkpoint`.

    Args:
        call: pickled (function, arguments).
        save_seconds: see `SlurmConfig`.
    """

    def __init__(self, call: bytes, save_seconds: float) -> None:
        self.call, self.save_seconds = call, save_seconds

    def __call__(self) -> Answer:
        """Do the job. Raises: SystemExit after the job was put back into the queue."""
        from submitit.core.job_environment import JobEnvironment

        environment = JobEnvironment()
        requests = _Requests(environment)
        requests.take_signals()
        worker.warm_up()
        worker.begin(job_id=environment.job_id)
        requests.take_signals()  # `begin` has taken SIGINT and SIGTERM for itself
        _end_when_idle(requests, self.save_seconds)
        answer = _answer(self.call)
        requests.close()
        if requests.are_from_cluster and is_interrupted(answer.value):
            return requests.restart(answer)
        return answer

    def checkpoint(self) -> DelayedSubmission:
        """Return the call that goes on after this one: the same, since jobs save their state in the runs folder."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)


def is_interrupted(value: object) -> bool:
    """Return whether a job returned that it stopped before its end, with its state saved."""
    from harness.stages.job_result import JobResult

    return isinstance(value, JobResult) and value.outcome == "interrupted"


class _Requests:
    """Requests to stop, of the user (SIGINT, from the command) and of the cluster (the other signals).

    Args:
        environment: submitit's view of this job. submitit has set its own handler of the signal before a time limit; the handler
            puts the job back into the queue.
    """

    def __init__(self, environment: JobEnvironment) -> None:
        self.environment = environment
        handler = signal.getsignal(environment._usr_sig())
        assert callable(handler), "submitit has set a handler"
        self._requeue: Callable[[int, FrameType | None], object] = handler
        self._of_cluster = self._of_user = False
        self._closing = threading.Lock()

    def close(self) -> None:
        """Say that the job has its answer, so that nobody ends the process any more."""
        self._closing.acquire()

    def give_up(self) -> None:
        """End this process, unless the job has its answer. The job goes back into the queue where the cluster stops it."""
        self._closing.acquire()
        sys.stderr.flush()
        os._exit(self._back_into_queue() if self.are_from_cluster else GIVEN_UP)

    def _back_into_queue(self) -> int:
        """Put the job back, or leave an answer that asks for it. Returns: the exit code of the process."""
        from submitit.core import utils

        from harness.stages.job_result import INTERRUPTED

        try:
            answer = self.restart(Answer(INTERRUPTED))
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else GIVEN_UP
        with utils.temporary_save_path(self.environment.paths.result_pickle) as path:
            utils.cloudpickle_dump(("success", answer), path)
        return 0

    def take_signals(self) -> None:
        for number in FROM_CLUSTER:
            signal.signal(number, self._note_cluster)
        signal.signal(signal.SIGINT, self._note_user)

    def _note_cluster(self, *_: object) -> None:
        self._of_cluster = True
        if not stop.is_requested():  # Slurm sends several signals, which do not mean that somebody is impatient
            stop.request()

    def _note_user(self, *_: object) -> None:
        self._of_user = True
        if not stop.is_requested():
            stop.request()

    @property
    def are_from_cluster(self) -> bool:
        """Whether the cluster stops this job, and the user of the run does not."""
        return self._of_cluster and not self._of_user

    def restart(self, answer: Answer) -> Answer:
        """Put the job back into the queue, unless Slurm is ending it: somebody has cancelled it, or its time is over.

        Returns: an answer, where the job was not put back; the executor knows then how it ended. Raises: SystemExit after it was.
        """
        try:
            if not _is_ending(self.environment):
                self._requeue(self.environment._usr_sig(), None)
        except Exception as error:  # no scontrol in a container, no answer of slurmctld, or too many restarts
            print(f"the job cannot be put back into the queue from here: {error}", file=sys.stderr)  # noqa: T201
        return Answer(answer.value, answer.death, wants_restart=True)


def _answer(call: bytes) -> Answer:
    try:
        function, arguments = pickle.loads(call)
        answer = Answer(function(*arguments))
        pickle.dumps(answer)
    except BaseException as error:  # what a job raises ends that job alone; SystemExit too, which a plugin may raise
        traceback.print_exc()
        return Answer(death=" ".join("".join(format_exception_only(error)).split()))
    return answer


def _is_ending(environment: JobEnvironment) -> bool:
    """Return whether Slurm is ending this job for good. It sends SIGTERM then too, and would run the job again when asked to."""
    if environment.cluster != "slurm":
        return False
    command = ["scontrol", "show", "job", environment.raw_job_id]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=SCONTROL_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return "JobState=RUNNING" not in output  # a job that somebody has cancelled is COMPLETING as long as its processes live


def _end_when_idle(requests: _Requests, save_seconds: float) -> None:
    """End this process some time after a request to stop, where the job has nothing to save and does not look at the request."""
    saving = [0]
    stop.tell_saving(saving)
    threading.Thread(target=_watch, args=(requests, saving, save_seconds), daemon=True).start()


def _watch(requests: _Requests, saving: list[int], save_seconds: float) -> None:
    while not stop.is_requested():
        time.sleep(WATCH_SECONDS)
    # Before a time limit the work may still come to its end. Half of the time is left for the queue.
    patience = save_seconds / 2 if requests.are_from_cluster else IDLE_SECONDS
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < patience:
        time.sleep(WATCH_SECONDS)
        if saving[0]:
            idle_since = time.monotonic()
    requests.give_up()
