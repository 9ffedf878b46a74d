"""A queue of a cluster in memory: tests say what happens to its jobs, and the executor `slurm` sees it as it would see Slurm."""

import pickle

from submitit.core.utils import FailedJobError, JobPaths

from harness_slurm.call import Answer
from harness_slurm.queues import JobState, parse_states


class FakeQueue:
    """Implements `harness_slurm.queues.Queue`.

    Args:
        steps: functions `(queue)`, of which one is called before each answer about the states; the last one again and again.
    """

    unknown = JobState("over", "GONE")
    is_remote = True

    def __init__(self, *steps):
        self.steps = list(steps)
        self.arrays = []
        self.folders = {}
        self.calls = {}
        self.resources = {}
        self.table = {}
        self.is_silent = False
        self.orders = []
        self.refusals = []

    def submitter(self, folder, resources, comment):
        return _Submitter(self, folder, resources, comment)

    def states(self):
        if self.steps:
            (self.steps.pop(0) if len(self.steps) > 1 else self.steps[0])(self)
        return None if self.is_silent else dict(self.table)

    def cancel_queued(self, ids):
        self.orders.append(("cancel", *sorted(ids)))
        for job_id in ids:
            if self.table[job_id].phase == "queued":
                self.set(job_id, "CANCELLED")

    def interrupt(self, ids):
        self.orders.append(("interrupt", *sorted(ids)))

    def kill(self, ids):
        self.orders.append(("kill", *sorted(ids)))
        for job_id in ids:
            self.set(job_id, "CANCELLED")

    def release(self, ids):
        self.orders.append(("release", *sorted(ids)))

    # What happens to jobs.

    def set(self, job_id, name, reason=""):
        (self.table[job_id],) = parse_states([f"{job_id}|{name}|{reason}|{self.folders[job_id].name}"]).values()

    def run(self, *ids):
        for job_id in ids or [job_id for job_id, state in self.table.items() if state.phase == "queued"]:
            self.set(job_id, "RUNNING")

    def finish(self, *ids, name="COMPLETED"):
        """Do the work of jobs, by default of all that are not over."""
        for job_id in ids or [job_id for job_id, state in self.table.items() if state.phase != "over"]:
            function, arguments = pickle.loads(self.calls[job_id].call)
            try:
                answer = Answer(function(*arguments))
            except Exception as error:
                answer = Answer(death=f"{type(error).__name__}: {error}")
            self.leave(job_id, answer, name)

    def leave(self, job_id, answer, name="COMPLETED"):
        """Let a job end with an answer."""
        JobPaths(self.folders[job_id], job_id=job_id).result_pickle.write_bytes(pickle.dumps(("success", answer)))
        self.set(job_id, name)


class _Handle:
    def __init__(self, job_id):
        self.job_id = job_id

    def done(self):
        return True


class _Submitter:
    def __init__(self, queue, folder, resources, comment):
        self.queue, self.folder, self.resources, self.comment = queue, folder, resources, comment

    def submit_array(self, calls):
        queue = self.queue
        if queue.refusals and (refusal := queue.refusals.pop(0)):
            raise FailedJobError(refusal)
        number = len(queue.arrays) + 1
        ids = [f"{number}_{index}" for index in range(len(calls))]
        queue.arrays.append(ids)
        for job_id, call in zip(ids, calls, strict=True):
            queue.folders[job_id], queue.calls[job_id], queue.resources[job_id] = self.folder, call, self.resources
            queue.set(job_id, "PENDING")
        return [_Handle(job_id) for job_id in ids]
