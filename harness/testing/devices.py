"""A method on several devices without any: threads take the part of the processes of a job, and share batches as these do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.errors import UserError
from harness.sampling import sharing
from harness.sampling.sharing import NotShared
from harness.testing.expect import expect
from harness.training import replicas
from harness.training.method import FinetuneMethod
from harness.training.shared_network import GradientMeans, share_network

if TYPE_CHECKING:
    from harness.testing.methods import Bench

Logged = Mapping[str, Tensor]


@dataclass
class _Threads:
    """A place where threads leave tensors for each other."""

    size: int
    slots: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = [torch.empty(0)] * self.size
        self.barrier = threading.Barrier(self.size)


@dataclass(frozen=True)
class ThreadGroup:
    """One of several threads that share rows as the processes of a job do (`harness.sampling.sharing.Group`)."""

    rank: int
    threads: _Threads

    @classmethod
    def several(cls, size: int) -> list[ThreadGroup]:
        """Return the groups of so many threads, by rank."""
        threads = _Threads(size)
        return [cls(rank, threads) for rank in range(size)]

    @property
    def size(self) -> int:
        """The number of threads."""
        return self.threads.size

    def gather(self, part: Tensor) -> list[Tensor]:
        """Return the tensors of all threads, by rank. Raises: threading.BrokenBarrierError where a thread has failed."""
        self.threads.slots[self.rank] = part
        self.threads.barrier.wait()
        parts = [each.clone() for each in self.threads.slots]
        self.threads.barrier.wait()
        return parts

    def mean_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over all threads."""
        tensor.copy_(torch.stack(self.gather(tensor)).sum(0) / self.size)


def at_once(works: Sequence[Callable[[], None]], groups: Sequence[ThreadGroup]) -> None:
    """Do the work of each thread. Raises: what the first of them raised that failed."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None], group: ThreadGroup) -> None:
        try:
            work()
        except threading.BrokenBarrierError:  # another thread has failed, and says why
            pass
        except BaseException as error:  # raised below, where somebody sees it
            errors.append(error)
            group.threads.barrier.abort()

    threads = [threading.Thread(target=run, args=pair) for pair in zip(works, groups, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class SharedBench:
    """A method that takes its steps in several threads, which share each batch.

    Args:
        bench: makes the task and the method of each thread.
        size: number of threads.
    """

    def __init__(self, bench: Bench, size: int) -> None:
        self.bench, self.groups = bench, ThreadGroup.several(size)
        self.tasks = [bench.task() for _ in self.groups]
        for task in self.tasks:
            task.devices = size
            share_network(task.model)
        self.methods = [bench.build(task) for task in self.tasks]
        self._gradients = [GradientMeans(group) for group in self.groups]

    def take(self, index: int) -> Logged:
        """Take a step in all threads. Returns: what it logged. Raises: UserError as `replicas.check`, and NotShared."""
        logged: list[Logged] = [{} for _ in self.groups]

        def work(rank: int) -> None:
            method, gradients = self.methods[rank], self._gradients[rank]
            gradients.watch(self.tasks[rank].model.parameters())
            gradients.is_on = True
            with sharing.shared(self.groups[rank], gradients.places):
                logged[rank] = self.bench.take(method, index, index + 1)[0]
            replicas.check(self.tasks[rank].model, self.groups[rank], "the method", index + 1)

        at_once([lambda rank=rank: work(rank) for rank in range(len(self.groups))], self.groups)  # type: ignore[misc]
        return logged[0]


def check_devices_do_not_matter(bench: Bench) -> None:
    """Check that two processes which share each batch take the steps of one, up to rounding.

    The method may know nothing of it: it sees the whole batch in each process. Its networks are shared out where it calls them,
    and their gradients are averaged.
    """
    one, several = bench.task(), SharedBench(bench, 2)
    method = bench.build(one)
    for index in range(one.steps):
        logged = bench.take(method, index, index + 1)[0]
        try:
            shared = several.take(index)
        except NotShared:
            return  # a run on several devices says so, and ends
        except UserError as error:
            raise AssertionError(str(error)) from error
        _expect_near(logged, shared, index, one.batch)
        if not _has_same_gradients(method, several.methods[0]):
            return  # updates amplify what kernels round differently


def _expect_near(logged: Logged, shared: Logged, index: int, n: int) -> None:
    for name, value in logged.items():
        other = shared[name]
        if index == 0 and are_shares(value, other, n=n):
            continue  # a share of rows in which one value is larger: model and reference are equal still, and all rows tie
        # Far above float32's rounding: kernels add in another order at another batch, and sums over dimensions are long.
        is_near = torch.allclose(value, other, rtol=1e-2, atol=1e-3)
        expect(is_near, f"on two devices {name} is {other.item()} at step {index}, not {value.item()}")


def _has_same_gradients(method: FinetuneMethod, shared: FinetuneMethod) -> bool:
    """Check the gradients that the last update left. Returns: False where there were some, after which steps drift apart."""
    gradients = [gradients_of(each.task.model) for each in (method, shared)]
    if not (len(gradients[0]) and len(gradients[1])):
        return True
    apart, length = (gradients[0] - gradients[1]).norm(), gradients[0].norm()
    expect(apart <= 1e-2 * length, f"on two devices the gradient differs by {apart / length:.1e} of its length")
    return False


def are_shares(*values: Tensor, n: int) -> bool:
    """Return whether all values are shares of n rows, as an accuracy is."""
    return all(0 <= float(value) <= 1 and abs(float(value) * n - round(float(value) * n)) < 1e-4 for value in values)


def gradients_of(model: torch.nn.Module) -> Tensor:
    """Return all gradients that the last update left, in one vector; an empty one where it left none."""
    gradients = [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
    return torch.cat(gradients) if gradients else torch.empty(0)
