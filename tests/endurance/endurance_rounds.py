"""A round: a board on one folder, commands on several hosts, and what is done to them at random moments.

The seed gives what is done and when. Which process is hit also depends on how fast the machine is.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from endurance_engines import BEAT_SECONDS, Engine
from endurance_hosts import NAMES, Command, Hanging, Jump, import_what_was_noted, note_modules, reap
from record_results import results

BOARD = """\
title: Endurance
dataset: {name: swiss-roll, train_size: 256}
bases:
  small:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 6400, batch: 64}}
training: {images: 3200, batch: 64}
methods:
  none:
  mle: {training: {select: best, ema: 0.9}}
  ddo: {method: {name: ddo, rounds: 2, bank_size: 50}}
seeds: [0]
evaluation: {samples: 30, draws: 2, batch: 30}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}, w2: }
curve: {metric: sliced-w2, points: 4, samples: 30}
"""
"""Three cells with checkpoints, a bank, a curve, a selection and a training that rows share."""
SIGNALS = {"SIGKILL": 6, "SIGTERM": 2, "SIGINT": 1}
"""Signals with their weights."""
STOP_SECONDS = 4.0
"""A host stands still for so long: longer than the beats after which another one takes over."""
FULL_SECONDS = 1.0
GOOD_CODES = {0, 1, 2, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}
ORPHAN_SECONDS = 20.0
Done = Counter[tuple[str, str, str]]


class Disagreement(AssertionError):
    """A round did not end as it must."""


class Round:
    """One round.

    Args:
        folder: a new folder for the board, the runs folder and the output of commands.
        has_own_disk: whether the folder is a small file system of its own, which can be filled.
        moment: source of what is done and when.
    """

    def __init__(self, engine: Engine, folder: Path, moment: random.Random, *, has_own_disk: bool) -> None:
        self.engine, self.folder, self.moment, self.has_own_disk = engine, folder, moment, has_own_disk
        self.runs = folder / "runs"
        self.board = folder / "tiny"
        self.board.mkdir(parents=True)
        (self.board / "board.yaml").write_text(BOARD)
        self.done: Done = Counter()
        self.commands: list[Command] = []
        self.ended: list[Command] = []
        self._is_over = False

    def start(self, host: str, jump: Jump | None = None) -> Command:
        """Start the command on a host."""
        arguments = ["run", str(self.board), "--runs-dir", str(self.runs), "--jobs", "2", "--device", "cpu"]
        arguments += ["--checkpoint-seconds", "0.02", *self.engine.settings]
        log = self.folder / f"{len(self.commands) + len(self.ended)}-{host}.log"
        command = Command(host, arguments, log, {"HARNESS_BEAT_SECONDS": BEAT_SECONDS}, jump)
        self.commands.append(command)
        return command

    def play(self, most: int) -> None:
        """Disturb runs of the board until it is done, `most` times at most; let it end, and check. Raises: AssertionError."""
        try:
            for _ in range(min(most, self.engine.most_kills)):
                self._refill()
                self._disturb()
                self._look_after_commands()
                if self._is_over:
                    break
            while self.commands:
                self.await_all()
            self._end()
        finally:
            self._clean_up()

    def _refill(self) -> None:
        """Let one or two commands run."""
        for _ in range(self.engine.commands - len(self.commands)):
            self.start(self.moment.choice(self._free_hosts()))

    def _free_hosts(self) -> list[str]:
        return [host for host in NAMES if all(command.host != host for command in self.commands)]

    def _disturb(self) -> None:
        """Wait for a random moment, and do something random."""
        time.sleep(self.moment.uniform(0, self.engine.seconds))
        deeds = {self._signal: 14, self._signal_host: 3, self._stop_host: 2, self._fill_disk: 1, self._jump: 2, self._more: 1}
        (deed,) = self.moment.choices(list(deeds), list(deeds.values()))
        deed()

    def _note(self, target: str, what: str) -> None:
        self.done[self.engine.name, target, what] += 1

    def _signal(self) -> None:
        """Send a signal to one process of a command, of a random kind."""
        number = self._any_signal()
        for command in self.moment.sample(self.commands, len(self.commands)):
            found = {kind: processes for kind, processes in self.engine.targets(command).items() if processes}
            if found:
                kind = self.moment.choice(sorted(found))
                with suppress(psutil.NoSuchProcess):
                    self.moment.choice(found[kind]).send_signal(number)
                    self._note(kind, number.name)
                return

    def _any_signal(self) -> signal.Signals:
        (name,) = self.moment.choices(list(SIGNALS), list(SIGNALS.values()))
        return signal.Signals[name]

    def _signal_host(self) -> None:
        """Send a signal to all processes of a host: what a host does that goes down, or a terminal."""
        number = self._any_signal()
        living = [command for command in self.commands if command.poll() is None]
        if living:
            self.moment.choice(living).signal_all(number)
            self._note("host", number.name)

    def _stop_host(self) -> None:
        """Let a host stand still until others take over what it held; then it goes on."""
        living = [command for command in self.commands if command.poll() is None]
        if living:
            command = self.moment.choice(living)
            command.signal_all(signal.SIGSTOP)
            if free := self._free_hosts():
                self.start(self.moment.choice(free))
            time.sleep(STOP_SECONDS)
            command.signal_all(signal.SIGCONT)
            self._note("host", "SIGSTOP")

    def _fill_disk(self) -> None:
        """Let the disk be full for a while."""
        if not self.has_own_disk:
            return
        ballast = self.folder / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        self._note("disk", "no room")
        time.sleep(FULL_SECONDS)
        ballast.unlink()

    def _jump(self) -> None:
        """Start a command whose clock jumps while it works."""
        free = self._free_hosts()
        if not free:
            return
        jump = Jump(self.moment.uniform(0, 1), self.moment.choice([-3600.0, -20.0, 3600.0]))
        self.start(self.moment.choice(free), jump)
        self._note("clock", "set back" if jump.by < 0 else "set ahead")

    def _more(self) -> None:
        more = self.engine.more(self.moment)
        if more is not None:
            target, what, deed = more
            deed()
            self._note(target, what)

    def _look_after_commands(self) -> None:
        """Set aside the commands that have ended, and check how."""
        for command in list(self.commands):
            if command.poll() is not None:
                self._check_end(command)

    def await_all(self) -> None:
        """Let commands end, and check how."""
        for command in list(self.commands):
            command.wait()
            self._check_end(command)

    def _check_end(self, command: Command) -> None:
        self.commands.remove(command)
        self.ended.append(command)
        code, output = command.wait(), command.output
        if "Traceback" in output or code not in GOOD_CODES:
            raise Disagreement(f"the command on host {command.host} ended with {code}:\n{output[-4000:]}")
        self._is_over = self._is_over or code == 0

    def _end(self) -> None:
        """Run the command undisturbed on each host that took part, which removes what its dead left; then check all."""
        for host in sorted({command.host for command in self.ended}):
            command = self.start(host)
            code = command.wait()
            self._check_end(command)
            if code != 0:
                raise Disagreement(f"undisturbed, the command on host {host} ended with {code}:\n{command.output[-4000:]}")
        self._check_no_orphans()
        self._check_no_leftovers()

    def _check_no_orphans(self) -> None:
        end = time.monotonic() + ORPHAN_SECONDS
        while orphans := [process for process in reap(self.commands) if not self._is_known(process)]:
            if time.monotonic() > end:
                lines = [f"{process.pid} {' '.join(process.cmdline())[:100]}" for process in orphans]
                raise Disagreement(f"processes are left: {lines}")
            time.sleep(0.1)

    def _is_known(self, process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return process.status() == psutil.STATUS_ZOMBIE or self.engine.is_its_own(process)
        return True

    def _check_no_leftovers(self) -> None:
        left = [path for path in self.runs.rglob("*") if path.name.startswith(".") and path.name != ".state"]
        left += [*self.runs.glob("leases/*"), *self.runs.glob("workers/*"), *self.runs.glob("work/*/step-*")]
        if left:
            raise Disagreement(f"files are left: {sorted(str(path.relative_to(self.runs)) for path in left)}")

    def check_results(self, expected: dict[str, object]) -> None:
        """Check that every record is there, bit for bit as expected. Raises: Disagreement."""
        found = results(self.runs)
        if found != expected:
            differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
            raise Disagreement(f"records differ: {differing}")

    def _clean_up(self) -> None:
        for command in self.commands:
            command.signal_all(signal.SIGCONT)
            command.signal_all(signal.SIGKILL)
            with suppress(Hanging, ChildProcessError):
                command.wait()
        with suppress(OSError):
            os.unlink(self.folder / "ballast")


def undisturbed(folder: Path) -> tuple[dict[str, object], float]:
    """Run the board twice, by `local`. Returns: the results of its records; seconds of the second run. Raises: AssertionError."""
    note_modules(folder)
    _alone(folder / "first")
    import_what_was_noted()
    began = time.monotonic()
    return _alone(folder / "second"), time.monotonic() - began


def _alone(folder: Path) -> dict[str, object]:
    alone = Round(Engine(), folder, random.Random(0), has_own_disk=False)
    alone.start(NAMES[0])
    while alone.commands:
        alone.await_all()
    return results(alone.runs)
