"""The executors whose runs are disturbed, and which of their processes can be hit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
from endurance_hosts import Command

Found = dict[str, list[psutil.Process]]
BEAT_SECONDS = "0.25"
"""A takeover then takes a second or two instead of minutes."""


class Engine:
    """The executor `local`: processes of the command.

    Args:
        seconds: how long a run of `local` takes on this machine.
    """

    name = "local"
    settings: tuple[str, ...] = ("--executor", "local")
    extra_seconds = 0.0
    """How much longer a run takes than one of `local`."""
    most_kills = 16
    """Kills of one round."""
    commands = 2
    """How many commands work on the board at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = (seconds + self.extra_seconds) / 2
        """Kills are so far apart at most: a run of `seconds` by `local`, undisturbed, is hit about four times."""

    def start(self, folder: Path) -> None:
        """Start what commands need."""

    def close(self) -> None:
        """End it."""

    def is_its_own(self, process: psutil.Process) -> bool:
        """Return whether a process belongs to the engine, and may outlive commands."""
        return False

    def targets(self, command: Command) -> Found:
        """Return the processes of a command by what they are."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(command.pid)
            servers = [child for child in process.children() if "resource_tracker" not in " ".join(child.cmdline())]
            return {"command": [process], "server": servers, "job": [job for server in servers for job in server.children()]}
        return {}

    def more(self, moment: random.Random) -> tuple[str, str, Callable[[], object]] | None:
        """Return something else that can be done to this engine: (what is hit, with what, the deed)."""
        return None


class RayEngine(Engine):
    """The executor `ray` on a cluster of two nodes of this machine, each of which is a host with two cores."""

    name = "ray"
    extra_seconds = 20.0
    most_kills = 16
    commands = 1

    def start(self, folder: Path) -> None:
        self._folder = folder / "ray"
        self._folder.mkdir()
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", RAY_worker_niceness="0")
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._begin_node("head", "--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={self._folder}")
        self._begin_second()
        self.settings = ("--executor", "ray", "--set", f"ray.address=127.0.0.1:{self._port}")

    def _begin_second(self) -> None:
        self._begin_node("second", f"--address=127.0.0.1:{self._port}")

    def _begin_node(self, name: str, *options: str) -> None:
        ray = Path(sys.executable).with_name("ray")
        line = [str(ray), "start", "--block", "--num-cpus=2", "--object-store-memory=83886080"]
        variables = {**os.environ, "HARNESS_HOST": f"ray {name}"}
        with (self._folder / f"{name}.log").open("wb") as log:
            node = subprocess.Popen([*line, *options], stdout=log, stderr=log, env=variables, start_new_session=True)
        self._nodes[name] = node
        self._await_node(name, node)

    def _await_node(self, name: str, node: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + 120
        while not (self._folder / f"{name}.log").read_text().count("--block") and time.monotonic() < end:
            assert node.poll() is None, (self._folder / f"{name}.log").read_text()
            time.sleep(0.1)

    def close(self) -> None:
        _end_all(self._nodes.values())
        shutil.rmtree(self._folder, ignore_errors=True)  # a later round begins with a new cluster

    def is_its_own(self, process: psutil.Process) -> bool:
        """All that Ray starts but jobs, which end with their supervisors."""
        return "harness.toolkit.supervised" not in " ".join(process.cmdline())

    def targets(self, command: Command) -> Found:
        found: Found = {"command": [], "supervisor": [], "job": []}
        with suppress(psutil.NoSuchProcess):
            found["command"] = [psutil.Process(command.pid)]
        for process in _living(psutil.Process().children(recursive=True)):
            words = " ".join(process.cmdline())
            if words.startswith("ray::Supervisor"):
                found["supervisor"].append(process)
            elif "harness.toolkit.supervised" in words:
                found["job"].append(process)
        return found

    def more(self, moment: random.Random) -> tuple[str, str, Callable[[], object]]:
        return "node", "SIGKILL", self._kill_second

    def _kill_second(self) -> None:
        _end_all([self._nodes["second"]])
        self._begin_second()


class SlurmEngine(Engine):
    """The executor `slurm` with submitit's processes of this machine in the place of a cluster."""

    name = "slurm"
    extra_seconds = 20.0
    most_kills = 16
    commands = 1
    settings = ("--executor", "slurm", "--set", "slurm.cluster=local", "--set", "slurm.poll_seconds=0.3")

    def targets(self, command: Command) -> Found:
        found: Found = {"command": [], "job": []}
        with suppress(psutil.NoSuchProcess):
            found["command"] = [psutil.Process(command.pid)]
        for process in _living(psutil.Process().children(recursive=True)):
            if "submitit" in " ".join(process.cmdline()):
                found["job"].append(process)
        return found


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    living = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE and process.cmdline():
                living.append(process)
    return living


def _end_all(nodes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Kill nodes with all that runs on them."""
    for node in nodes:
        with suppress(psutil.NoSuchProcess):
            raylets = [node.pid, *(child.pid for child in psutil.Process(node.pid).children(recursive=True))]
            for pid in raylets:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        node.wait()


ENGINES: dict[str, type[Engine]] = {"local": Engine, "ray": RayEngine, "slurm": SlurmEngine}


def available() -> list[str]:
    """Names of the engines that this machine can run."""
    needs = {"local": "harness_local", "ray": "ray", "slurm": "harness_slurm"}
    there = [name for name, package in needs.items() if find_spec(package) is not None]
    return [name for name in there if name != "slurm" or (find_spec("submitit") is not None and shutil.which("bash"))]
