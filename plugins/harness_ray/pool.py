"""Jobs on the machines of a cluster: each has a supervisor on one of them."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError, in_one_line
from harness.interfaces import Job, JobEnd, Resources
from harness.toolkit.job_pool import end_of_process
from harness_ray.cluster import WHERE, Cluster
from harness_ray.settings import RayConfig
from harness_ray.supervisor import Supervisor

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

log = logging.getLogger(__name__)
MOST_WAITING = 32
"""How many jobs wait for a machine inside of Ray at most; thousands would cost its head much memory."""
GIB = 2**30


@dataclass
class _Placed:
    """A job that Ray has.

    Args:
        machine: id of the machine where its supervisor is; "" while it waits for one.
        name: of that machine.
    """

    job: Job
    supervisor: ActorHandle[Supervisor]
    machine: str = ""
    name: str = ""


@dataclass
class Pool:
    """The jobs of a run.

    Args:
        slots: how many run at once, at most.
    """

    cluster: Cluster
    config: RayConfig
    slots: int
    queue: list[Job] = field(default_factory=list)
    _awaited: dict[ObjectRef[object], _Placed] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    @property
    def running(self) -> int:
        """How many jobs Ray has."""
        return len(self._awaited)

    def look_at_machines(self, folder: Path | None) -> None:
        """See `harness.toolkit.job_pool.ClusterPool`."""
        self.cluster.look_at_machines(folder)

    def fill(self) -> None:
        """Give queued jobs to Ray, as far as slots are free. Raises: UserError when a job can run nowhere."""
        waiting = sum(not placed.machine for placed in self._awaited.values())
        while self.queue and self.running < self.slots and waiting < MOST_WAITING:
            self._place(self.queue.pop(0))
            waiting += 1

    def _place(self, job: Job) -> None:
        cores, cards, memory = self._request(job.resources)
        self._check_fits(job, {"CPU": cores, "GPU": cards, "memory": memory, **self.config.resources})
        supervisor = self.cluster.supervisor(cards, num_cpus=cores, memory=memory or None, resources=dict(self.config.resources))
        self._awaited[supervisor.machine.remote()] = _Placed(job, supervisor)

    def _request(self, asked: Resources) -> tuple[float, float, float]:
        """Return (cores, cards, bytes of memory) of a job. Ray knows no limit of time."""
        config = self.config
        cards: float | None = config.gpus if asked.gpus is None else asked.gpus
        if cards is None:
            cards = 1 if self.cluster.has_cards() else 0
        memory = (config.memory_gib if asked.memory_gib is None else asked.memory_gib) or 0.0
        return config.cpus if asked.cpus is None else asked.cpus, cards, int(memory * GIB)

    def _check_fits(self, job: Job, request: dict[str, float]) -> None:
        lack = self.cluster.lacks({name: amount for name, amount in request.items() if amount})
        if lack and self.cluster.is_own:
            raise UserError(f"{WHERE}: {job.name} asks for {lack}, and this machine has less; name a cluster, or ask for less")
        if lack and lack not in self._told:
            log.warning("%s asks for %s, which no machine of the cluster has now; the job waits for one", job.name, lack)
            self._told.add(lack)

    def ends(self, timeout: float) -> list[JobEnd]:
        """Return the ends of jobs that are over, after `timeout` seconds at most. Raises: UserError for an unfit machine."""
        import ray

        if not self._awaited:
            time.sleep(timeout)  # another run has the jobs of this board
            return []
        over, _ = ray.wait(list(self._awaited), num_returns=1, timeout=timeout)
        return [end for awaited in over for end in self._take(awaited, self._awaited.pop(awaited))]

    def _take(self, awaited: ObjectRef[object], placed: _Placed) -> Iterator[JobEnd]:
        """Take what a supervisor gave: first its machine, where its job then begins, and at last how the job ended."""
        import ray

        try:
            given = ray.get(awaited)
        except ray.exceptions.RayActorError as error:
            yield self._lost(placed, error)
        except ray.exceptions.RayError as error:
            yield _over(placed, death=f"its process did not start: {in_one_line(error)}")
        else:
            if placed.machine:
                yield _end(placed, *given)
            else:
                self._begin(placed, *given)

    def _begin(self, placed: _Placed, machine: str, name: str, job_id: str) -> None:
        placed.machine, placed.name = machine, name
        if not self.cluster.is_known(machine):
            self.cluster.look_at_machines(placed.job.folder)
        call = pickle.dumps((placed.job.function, placed.job.arguments))
        self._awaited[placed.supervisor.run.remote(call, job_id)] = placed

    def _lost(self, placed: _Placed, error: Exception) -> JobEnd:
        """Return the end of a job whose supervisor is gone, which the job itself cannot reach."""
        if not placed.machine or self.cluster.is_alive(placed.machine):
            reason = f"Ray ended its worker{f' on {placed.name}' if placed.name else ''}: {in_one_line(error, limit=200)}"
        else:
            reason = f"its machine {placed.name} went away"
        return _over(placed, death=reason, is_lost=True)

    def stop(self) -> list[JobEnd]:
        """Let running jobs save their state; forget the jobs that wait. Returns: the ends of jobs that had not begun."""
        self.queue.clear()
        waiting = {awaited: placed for awaited, placed in self._awaited.items() if not placed.machine}
        for awaited, placed in self._awaited.items():
            if awaited not in waiting:
                placed.supervisor.stop.remote()
        return [self._killed(awaited, "it was stopped before its work began") for awaited in waiting]

    def kill(self) -> list[JobEnd]:
        """End everything at once. Returns: the ends of the jobs that ran."""
        return [self._killed(awaited, "a second request to stop ended it") for awaited in list(self._awaited)]

    def _killed(self, awaited: ObjectRef[object], reason: str) -> JobEnd:
        return _over(self._awaited.pop(awaited), death=f"its process died: {reason}")

    def close(self) -> None:
        """End everything."""
        self.kill()
        self.cluster.close()


def _over(placed: _Placed, *, death: str, is_lost: bool = False) -> JobEnd:
    """End a job without an answer, and its supervisor with it."""
    import ray

    ray.kill(placed.supervisor)
    return JobEnd(placed.job, death=death, is_lost=is_lost)


def _end(placed: _Placed, answer: bytes | None, exit_code: int) -> JobEnd:
    import ray

    ray.kill(placed.supervisor)
    return end_of_process(placed.job, answer, exit_code)
