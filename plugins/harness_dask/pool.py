"""Jobs in a cluster, and how each of them ends."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from uuid import uuid4

from harness.errors import UserError, in_one_line
from harness.interfaces import Job, JobEnd
from harness.toolkit.job_pool import end_of_process
from harness_dask.cluster import WHERE, Cluster
from harness_dask.settings import DaskConfig

if TYPE_CHECKING:
    from distributed import Future

log = logging.getLogger(__name__)
MOST_SUBMITTED = 2000
"""How many jobs the cluster has at once, at most: its scheduler keeps the call of each."""
CARDS = "GPU"
"""The name under which clusters give their cards."""


@dataclass
class Pool:
    """The jobs of a run.

    Args:
        slots: how many the cluster has at once, at most.
    """

    cluster: Cluster
    config: DaskConfig
    slots: int
    queue: list[Job] = field(default_factory=list)
    _submitted: dict[str, tuple[Job, Future]] = field(default_factory=dict)
    _over: SimpleQueue[str] = field(default_factory=SimpleQueue)
    _told: set[str] = field(default_factory=set)

    @property
    def running(self) -> int:
        """How many jobs the cluster has."""
        return len(self._submitted)

    def look_at_machines(self, folder: Path | None) -> None:
        """See `harness.toolkit.job_pool.ClusterPool`."""
        self.cluster.look_at_workers(folder)

    def fill(self) -> None:
        """Give queued jobs to the cluster, as far as slots are free. Raises: UserError when a job can run nowhere."""
        while self.queue and self.running < min(self.slots, MOST_SUBMITTED):
            self._submit(self.queue.pop(0))

    def _submit(self, job: Job) -> None:
        request = self._request(job)
        token = f"harness-{uuid4().hex[:12]}"
        future = self.cluster.submit(token, pickle.dumps((job.function, job.arguments)), request)
        self._submitted[token] = job, future
        future.add_done_callback(lambda _: self._over.put(token))

    def _request(self, job: Job) -> Mapping[str, float]:
        """Return what a job asks of its worker. Of resources, Dask knows those alone that its workers were started with."""
        request, workers = dict(self.config.resources), self.cluster.resources()
        if job.resources.gpus and any(CARDS in worker for worker in workers):
            request[CARDS] = job.resources.gpus
        if not any(all(worker.get(name, 0.0) >= amount for name, amount in request.items()) for worker in workers):
            self._tell_lack(job, ", ".join(f"{name} {amount:g}" for name, amount in request.items()))
        return request

    def _tell_lack(self, job: Job, lack: str) -> None:
        if self.cluster.is_own:
            raise UserError(f"{WHERE}: {job.name} asks for {lack}, which processes of this machine do not have; name a cluster")
        if lack not in self._told:
            log.warning("%s waits for a worker%s, and the cluster has none now", job.name, f" with {lack}" if lack else "")
            self._told.add(lack)

    def ends(self, timeout: float) -> list[JobEnd]:
        """Return the ends of jobs that are over, after `timeout` seconds at most. Raises: UserError without a scheduler."""
        self.cluster.check_connection()
        return [self._end(token) for token in self._tokens(timeout) if token in self._submitted]

    def _tokens(self, timeout: float) -> Iterator[str]:
        """Give the tokens of the jobs that are over."""
        try:
            yield self._over.get(timeout=timeout)
            while True:
                yield self._over.get_nowait()
        except Empty:
            return

    def _end(self, token: str) -> JobEnd:
        from distributed import KilledWorker

        job, future = self._submitted.pop(token)
        if future.status == "cancelled":
            raise UserError(f"{WHERE}: the scheduler does not know {job.name} any more; start Dask and the run again")
        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return JobEnd(job, death="Dask's workers went away under it, one after the other", is_lost=True)
            return JobEnd(job, death=f"its process did not start: {in_one_line(error)}")
        return end_of_process(job, *future.result())

    def stop(self) -> list[JobEnd]:
        """Let running jobs save their state; forget the jobs that wait. Returns: the ends of jobs that had not begun."""
        self.queue.clear()
        running = self.cluster.stop(self._submitted.keys())
        return [
            self._forgotten(token, "it was stopped before its work began") for token in list(self._submitted.keys() - running)
        ]

    def kill(self) -> list[JobEnd]:
        """End everything at once. Returns: the ends of the jobs that ran."""
        self.cluster.kill(self._submitted.keys())
        return [self._forgotten(token, "a second request to stop ended it") for token in list(self._submitted)]

    def _forgotten(self, token: str, reason: str) -> JobEnd:
        job, future = self._submitted.pop(token)
        future.cancel()
        return JobEnd(job, death=f"its process died: {reason}")

    def close(self) -> None:
        """End everything."""
        self.kill()
        self.cluster.close()
