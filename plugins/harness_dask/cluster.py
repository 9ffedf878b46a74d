"""The connection with a Dask cluster, or a cluster inside of this process for the time of a run."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.errors import UserError, in_one_line
from harness.process import devices, global_state, worker
from harness.toolkit.job_pool import mark
from harness_dask import remote
from harness_dask.settings import ADDRESS, DaskConfig

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

WHERE = "executor dask"
VARIABLE = "DASK_SCHEDULER_ADDRESS"
CONNECT_SECONDS = 10.0
QUIET: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Settings of a cluster of our own: it shows nothing to anybody."""
NOWHERE = "127.0.0.1:0"
"""The address of web pages that a cluster of our own does not have: Dask listens for them all the same."""


class Cluster:
    """A connection with the cluster that the settings name.

    Raises: UserError when there is no such cluster.
    """

    def __init__(self, config: DaskConfig) -> None:
        address = config.address or os.environ.get(VARIABLE)
        self._folder = str(Path.cwd())
        self._environment = {**os.environ, **worker.thread_environment()}
        self._own: LocalCluster | None = None
        with global_state.environment_kept():
            self._client = self._start() if address is None else self._connect(address)

    @property
    def is_own(self) -> bool:
        """Whether the cluster is inside of this process and ends with the run."""
        return self._own is not None

    def _start(self) -> Client:
        """Start a worker in this process. It listens to nobody, and each of its threads supervises a process."""
        import dask.config
        from distributed import LocalCluster

        _quieten()
        with dask.config.set(QUIET):
            self._own = LocalCluster(
                processes=False,
                n_workers=1,
                threads_per_worker=devices.slots("auto"),
                memory_limit=0,
                dashboard_address=NOWHERE,
                worker_dashboard_address=NOWHERE,
                scheduler_kwargs={"dashboard": False},
            )
        return _client(self._own)

    def _connect(self, address: str) -> Client:
        where = f"{WHERE}, address {address}"
        if not ADDRESS.fullmatch(address):
            raise UserError(f"{where}: not HOST:PORT of a scheduler; look at ${VARIABLE}")
        host, _, port = address.rpartition("://")[2].rpartition(":")
        _quieten()
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()  # Dask says less of the reason
            return _client(address)
        except Exception as error:  # of Dask, of the system, of TLS
            raise UserError(
                f"{where}: nothing answers there ({in_one_line(error, limit=200)}); start Dask: dask scheduler, dask worker"
            ) from error

    def check_connection(self) -> None:
        """Raises: UserError when the scheduler is gone."""
        if self._client.status != "running":
            raise UserError(f"{WHERE}: the scheduler does not answer any more; start Dask and the run again")

    def look_at_workers(self, folder: Path | None) -> None:
        """Look at every worker of a cluster of others.

        Args:
            folder: the runs folder.
        Raises: UserError when a worker cannot run jobs.
        """
        if self.is_own:
            return
        import cloudpickle

        from harness.toolkit import supervisor
        from harness_dask import look

        for module in (supervisor, look):
            cloudpickle.register_pickle_by_value(module)  # a machine without the harness can then say so
        by_value = cloudpickle.dumps(supervisor.Supervisor)
        with mark(folder, "dask") as marks:
            looks = self._client.run(
                look.look, by_value, self._folder, self._environment, marks, harness.__version__, on_error="return"
            )
        for address, answer in looks.items():
            name, fault = (address, in_one_line(answer)) if isinstance(answer, BaseException) else answer
            if fault:
                raise UserError(f"{WHERE}: the worker on {name} cannot run jobs: {fault}")

    def resources(self) -> list[Mapping[str, float]]:
        """Return what each worker was started with."""
        return [worker.get("resources", {}) for worker in self._client.scheduler_info(n_workers=-1)["workers"].values()]

    def submit(self, token: str, call: bytes, resources: Mapping[str, float]) -> Future:
        """Give a job to the cluster.

        Args:
            token: its name there.
            call: pickled (function, arguments).
        """
        return self._client.submit(
            remote.run, token, self._folder, self._environment, call, key=token, pure=False, retries=0, resources=dict(resources)
        )

    def stop(self, tokens: Collection[str]) -> set[str]:
        """Tell jobs to stop. Returns: the tokens of those that run; the others do not begin any more."""
        return {token for running in self._told(remote.stop, tokens) for token in running}

    def kill(self, tokens: Collection[str]) -> None:
        """End jobs at once."""
        self._told(remote.kill, tokens)

    def _told(self, function: object, tokens: Collection[str]) -> list[list[str]]:
        if not tokens or self._client.status != "running":
            return []
        return list(self._client.run(function, list(tokens), on_error="ignore").values())

    def close(self) -> None:
        """End the connection, and a cluster of our own."""
        with suppress(Exception):  # what is left of a cluster that went away
            self._client.close()
        if self._own is not None:
            with suppress(Exception):
                self._own.close()


def _client(cluster: LocalCluster | str) -> Client:
    from distributed import Client

    return Client(cluster, timeout=CONNECT_SECONDS, set_as_default=False, name="harness")


def _quieten() -> None:
    import distributed  # noqa: F401 - sets the levels of its loggers

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
