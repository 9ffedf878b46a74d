"""The connection with a cluster, or a cluster on this machine for the time of a run; what its machines have."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

import harness
from harness.errors import UserError, in_one_line
from harness.process import environment, global_state, stop, worker
from harness.toolkit.job_pool import mark
from harness_ray.settings import ADDRESS, RayConfig
from harness_ray.supervisor import Supervisor

if TYPE_CHECKING:
    from ray.actor import ActorClass, ActorHandle

WHERE = "executor ray"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray warns otherwise
    "RAY_worker_niceness": "0",  # on a machine of our own, jobs get as much of it as those of `local`
}
"""Variables of the processes that Ray starts."""
OWN = {
    "RAY_AUTH_MODE": "token",  # only who has the token may use the cluster
    "RAY_AUTH_TOKEN": uuid4().hex + uuid4().hex,  # Ray writes one into the user's home otherwise
}
"""Variables of a cluster of our own."""
LOCAL = "local"
LOCAL_HOST = "127.0.0.1"
"""The address of a cluster of our own. Ray runs what anybody sends it, so that no other machine may reach it."""
OBJECT_STORE = 80 * 2**20
"""Bytes of shared memory for Ray's objects, which hold the calls and the answers of jobs; nearly the least that Ray takes."""
CONNECT_SECONDS = 10.0
TEMPORARY = "harness-ray-"
"""Beginning of the name of the folder with the sockets and logs of a cluster of our own; the process id follows."""
LOOK_SECONDS = 300.0
"""How long a machine may take to start a process that looks at it."""


class Cluster:
    """A connection with the cluster that the settings name.

    Args:
        config: settings of the executor.
    Raises: UserError when there is no such cluster.
    """

    def __init__(self, config: RayConfig) -> None:
        self._address = config.address or os.environ.get("RAY_ADDRESS") or LOCAL
        self._folder = Path.cwd()
        self._machines: set[str] = set()
        self._temporary: Path | None = None
        if self.is_own:
            self._start()
        else:
            self._connect()

    @property
    def is_own(self) -> bool:
        """Whether the cluster is on this machine and ends with the run."""
        return self._address == LOCAL

    def _start(self) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-"))
        _remove_those_of_the_dead(self._temporary.parent)
        try:
            _init(
                address=LOCAL,
                num_cpus=environment.cores(),
                object_store_memory=OBJECT_STORE,
                include_dashboard=False,
                _node_ip_address=LOCAL_HOST,
                _temp_dir=str(self._temporary),
            )
        except (Exception, SystemExit) as error:
            self.close()
            raise UserError(f"{WHERE}: no cluster can be started on this machine: {in_one_line(error)}") from error

    def _connect(self) -> None:
        where = f"{WHERE}, address {self._address}"
        if not ADDRESS.fullmatch(self._address):
            raise UserError(f"{where}: neither HOST:PORT nor auto; look at $RAY_ADDRESS")
        if self._address != "auto":
            host, _, port = self._address.rpartition(":")
            try:  # Ray itself tries for many minutes
                socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
            except OSError as error:
                raise UserError(
                    f"{where}: nothing answers there ({error.strerror or error}); start Ray: ray start --head"
                ) from None
        try:
            _init(address=self._address)
        except (Exception, SystemExit) as error:
            raise UserError(f"{where}: no connection: {in_one_line(error)}; the run must start on a machine of it") from error

    def close(self) -> None:
        """End the connection. A cluster of our own ends, with all that it runs."""
        import ray

        with _handlers_kept():
            ray.shutdown()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def lacks(self, request: Mapping[str, float]) -> str:
        """Return what of a request no machine of the cluster has as much of, as text; "" where one machine has all of it."""
        import ray

        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(all(machine.get(name, 0.0) >= amount for name, amount in request.items()) for machine in machines):
            return ""
        return ", ".join(f"{name} {amount:g}" for name, amount in request.items())

    def has_cards(self) -> bool:
        """Return whether a machine of the cluster has a card."""
        import ray

        return any(node["Resources"].get("GPU", 0.0) > 0 for node in ray.nodes() if node["Alive"])

    def is_alive(self, machine: str) -> bool:
        """Return whether the machine with this id is still part of the cluster."""
        import ray

        return any(node["NodeID"] == machine and node["Alive"] for node in ray.nodes())

    def supervisor(self, cards: float, **options: object) -> ActorHandle[Supervisor]:
        """Start a supervisor on some machine, by Ray's options for actors."""
        # Two threads: one runs the job, and the other tells it to stop. Neither Ray nor its job is tried again by Ray.
        actor = _actor().options(max_concurrency=2, max_restarts=0, max_task_retries=0, num_gpus=cards, **options)
        variables = {**os.environ, **worker.thread_environment()}
        return actor.remote(str(self._folder), variables, cards)

    def look_at_machines(self, folder: Path | None) -> None:
        """Look at every machine on which nobody has looked yet.

        Args:
            folder: the runs folder.
        Raises: UserError when a machine cannot run jobs.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        new = {node["NodeID"] for node in ray.nodes() if node["Alive"]} - self._machines
        there = {
            machine: self.supervisor(0, num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=False))
            for machine in sorted(new)
        }
        with mark(folder, "ray") as marks:
            looks = [supervisor.look.remote(marks, harness.__version__) for supervisor in there.values()]
            ready, _ = ray.wait(looks, num_returns=len(looks), timeout=LOOK_SECONDS) if looks else ([], [])
            for look in ready:
                with suppress(ray.exceptions.RayActorError):  # the machine has gone away meanwhile
                    name, fault = ray.get(look)
                    if fault:
                        raise UserError(f"{WHERE}: machine {name} cannot run jobs: {fault}")
        for supervisor in there.values():
            ray.kill(supervisor)
        self._machines |= new

    def is_known(self, machine: str) -> bool:
        """Return whether somebody has looked at the machine with this id."""
        return machine in self._machines


def _actor() -> ActorClass[Supervisor]:
    import ray
    from ray import cloudpickle

    from harness.toolkit import supervisor
    from harness_ray import supervisor as actor

    for module in (supervisor, actor):
        cloudpickle.register_pickle_by_value(module)  # a machine without the harness can then say so
    return ray.remote(Supervisor)


def _init(**options: object) -> None:
    """Call `ray.init`, which may change neither the environment nor the handlers of signals."""
    with global_state.environment_kept(), _handlers_kept():
        os.environ.update(QUIET, **(OWN if options["address"] == LOCAL else {}))
        import ray

        ray.init(log_to_driver=False, logging_level=logging.ERROR, namespace=uuid4().hex, **options)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put the handlers of signals and the hook for exceptions back after the block: Ray sets its own."""
    before, excepthook = {number: signal.getsignal(number) for number in stop.SIGNALS}, sys.excepthook
    try:
        yield
    finally:
        sys.excepthook = excepthook
        for number, handler in before.items():
            signal.signal(number, handler)


def _remove_those_of_the_dead(temporary: Path) -> None:
    """Remove the folders of clusters whose runs were killed."""
    for folder in temporary.glob(f"{TEMPORARY}*"):
        owner = re.fullmatch(f"{TEMPORARY}([0-9]+)-.*", folder.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)
