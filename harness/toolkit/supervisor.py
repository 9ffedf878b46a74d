"""The supervisor of one job on a machine of a cluster: it starts the process, passes a stop on, and says how the job ended.

Some engines send this module's class by value. So a machine without the harness can say that it lacks it. Nothing of the harness
may be imported here, and what methods return are plain tuples.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

STOP_SECONDS = 2.0
"""Time that a job has to end after a stop request where it has nothing to save, and after it has saved what it has."""
EXIT_SECONDS = 10.0
"""Time that a process has to end after it has given its answer; threads of a plugin may keep it."""
SIGHT_SECONDS = 30.0
"""How long a shared folder may take to show a new file to another machine."""
OF_THE_MACHINE = ("RAY_", "DASK_", "SLURM_", "CUDA_VISIBLE_", "HIP_VISIBLE_", "ROCR_VISIBLE_", "LD_", "HARNESS_HOST")
"""Beginnings of the variables that belong to a machine: a job has those of its own, and of the others those of the command."""
ALSO_OF_THE_MACHINE = ("HOSTNAME", "TMPDIR", "TMP", "TEMP", "XDG_RUNTIME_DIR", "PWD")
POLL_SECONDS = 0.1


class Supervisor:
    """The life of one job on one machine. `run` and `stop` are called in two threads.

    Args:
        folder: the working folder of the command; relative paths in jobs begin there.
        environment: the variables of the command.
        sees_cards: False hides all cards from the job.
        slot: see `harness.process.worker.begin`.
    """

    def __init__(self, folder: str, environment: Mapping[str, str], *, sees_cards: bool, slot: int = 0) -> None:
        self._folder = folder
        self._environment = _of_a_job(environment, sees_cards)
        self._slot = slot
        self._process: subprocess.Popen[bytes] | None = None
        self._saving: mmap.mmap | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def look(self, marks: Sequence[str], version: str) -> tuple[str, str]:
        """Look whether a job can run here.

        Args:
            marks: files that the command has written into the folders which all machines must share.
            version: of the harness.
        Returns: (the machine's name, what stands in the way; "" where nothing does).
        """
        return os.uname().nodename, self._hidden(marks) or self._other_harness(version)

    def _hidden(self, marks: Sequence[str]) -> str:
        if not os.path.isdir(self._folder):
            return f"it has no folder {self._folder}, in which the command was started; all machines must share it"
        until = time.monotonic() + SIGHT_SECONDS
        for mark in marks:
            while not os.path.exists(os.path.join(self._folder, mark)):
                if time.monotonic() > until:
                    return f"it does not see what this machine writes into {os.path.dirname(mark)}; all machines must share it"
                time.sleep(POLL_SECONDS)
        return ""

    def _other_harness(self, version: str) -> str:
        line = [sys.executable, "-c", "import harness; print(harness.__version__)"]
        tried = subprocess.run(line, capture_output=True, text=True, env=self._environment, cwd=self._folder, check=False)
        if tried.returncode != 0:
            fault = (tried.stderr.strip().splitlines() or ["no reason"])[-1]
            return f"its Python, {sys.executable}, cannot import the harness ({fault}); install it there"
        found = tried.stdout.strip()
        return "" if found == version else f"it has version {found} of the harness, and this machine has {version}"

    def run(self, call: bytes, job_id: str) -> tuple[bytes | None, int]:
        """Run a job to its end.

        Args:
            call: pickled (function, arguments).
            job_id: see `harness.process.worker.begin`.
        Returns: (the job's answer: see `harness.toolkit.supervised`; None where there is none, exit code of the process; -N says
            that signal N ended it).
        """
        reader, writer = os.pipe()
        saving = os.memfd_create("saving")
        os.ftruncate(saving, mmap.PAGESIZE)
        with self._lock:
            if self._is_stopped:
                return None, -signal.SIGINT
            self._saving = mmap.mmap(saving, mmap.PAGESIZE)
            self._process = self._started((writer, saving), job_id)
        for descriptor in (writer, saving):
            os.close(descriptor)
        self._give(self._process, call)
        with os.fdopen(reader, "rb") as answers:
            answer = answers.read()  # until the process closes its end
        return answer or None, _exit_code(self._process)

    def _started(self, descriptors: tuple[int, int], job_id: str) -> subprocess.Popen[bytes]:
        line = [
            sys.executable,
            "-m",
            "harness.toolkit.supervised",
            str(os.getpid()),
            *map(str, descriptors),
            str(self._slot),
            job_id,
        ]
        # Signals stay blocked in the process until it is ready for them. A session of its own: no terminal's Ctrl-C reaches it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        try:
            return subprocess.Popen(
                line,
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @staticmethod
    def _give(process: subprocess.Popen[bytes], call: bytes) -> None:
        try:
            with process.stdin or open(os.devnull, "wb") as stdin:
                stdin.write(call)
        except BrokenPipeError:
            pass  # it has died: its exit code says so

    def kill(self) -> None:
        """End the job at once."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """Tell the job to stop, and wait until it has. Where it has nothing (more) to save, it is killed after STOP_SECONDS."""
        with self._lock:
            self._is_stopped = True
            process, saving = self._process, self._saving
        if process is None or saving is None:
            return
        process.send_signal(signal.SIGINT)
        idle_since = time.monotonic()
        while process.poll() is None:
            if saving[0]:
                idle_since = time.monotonic()  # after it has saved, it still has to answer
            elif time.monotonic() - idle_since > STOP_SECONDS:
                process.kill()
            time.sleep(POLL_SECONDS)


def _of_a_job(environment: Mapping[str, str], sees_cards: bool) -> dict[str, str]:
    """Return the variables of a job: those of the command, and this machine's own."""
    passed = {name: value for name, value in environment.items() if not _belongs_to_machine(name)}
    own = {name: value for name, value in os.environ.items() if _belongs_to_machine(name)}
    # An engine may set the number of threads to the number of cores, and a sum over threads has other last digits.
    return {**passed, **own, **({} if sees_cards else {"CUDA_VISIBLE_DEVICES": ""})}


def _belongs_to_machine(name: str) -> bool:
    return name.startswith(OF_THE_MACHINE) or name in ALSO_OF_THE_MACHINE


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
