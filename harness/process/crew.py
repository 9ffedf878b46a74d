"""The processes of a job that uses several devices: the job's own, which leads, and one for each further device.

The lead holds the leases and writes everything: checkpoints, outputs, records, logs, progress. Members keep nothing, so that they
can be killed at any moment. They do what the lead sends through a pipe: pieces of work that are shared out by index, such as
batches of samples; or a training, whose steps all processes take together (`harness.sampling.sharing`).

This module is what both sides have in common, and a crew of one process, which sends nothing. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from harness.process.collectives import Collectives

Piece = TypeVar("Piece")
Result = TypeVar("Result")
T = TypeVar("T")


class ProcessLost(Exception):
    """A process of the job was killed. What is on disk is whole, and the job can go on from there."""


class Crew:
    """The processes of a job, as one of them sees them; this class is the crew of a job on one device."""

    size: int = 1
    """Number of processes, and of devices."""
    rank: int = 0
    """Number of this process; the lead has 0."""
    is_together: bool = False
    """Whether all processes take the steps of a training together now."""

    @property
    def is_lead(self) -> bool:
        """Whether this process writes: the job's own process does."""
        return self.rank == 0

    @property
    def group(self) -> Collectives | None:
        """The group that the processes share rows with within a step; None where there is one process."""
        return None

    def employ(self, factory: Callable[..., Callable[[Piece], Result]], *arguments: object) -> AbstractContextManager[object]:
        """Let each member make a function of pieces, by `factory(member, *arguments)`, which `each` calls inside the block."""
        return nullcontext()

    def each(self, pieces: Iterable[Piece], own: Callable[[Piece], Result]) -> Iterator[Result]:
        """Yield the result of each piece, in their order; the lead computes its share with `own`.

        Raises: ProcessLost; what a piece raises.
        """
        return map(own, pieces)

    def follow(self, function: Callable[..., object], *arguments: object) -> None:
        """Let each member call `function(member, *arguments)`, which takes the steps of a training that the lead takes too."""

    def agree(self, value: Callable[[], T]) -> T:
        """Return the lead's value in every process; each calls this at the same moment of a training."""
        return value()

    def release(self, value: object) -> None:
        """Let members, which `serve` in the middle of a training, go on with a value."""

    def serve(self, worker: Callable[[object], object]) -> object:
        """Compute pieces for the lead in the middle of a training, until it releases this member. Returns: the lead's value."""
        raise RuntimeError("the lead of a crew serves nobody")

    def watched(self) -> AbstractContextManager[object]:
        """Return a context in which an error that the loss of a process has caused becomes one that says so."""
        return nullcontext()

    def close(self) -> None:
        """End all members."""


ALONE = Crew()
"""The crew of a job on one device."""


@dataclass(frozen=True)
class Setup:
    """The facts that a member needs to begin.

    Args:
        folder: where the processes meet.
        device: as the user named it, and `slot`, the number of the job among those of this machine.
        is_deterministic: whether a card uses deterministic kernels alone.
        lead: process id of the lead.
    """

    rank: int
    size: int
    folder: str
    device: str
    slot: int
    is_deterministic: bool
    lead: int


@dataclass(frozen=True)
class Begin:
    """Make a function of pieces."""

    factory: Callable[..., Callable[[object], object]]
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class End:
    """Forget the newest function of pieces."""


@dataclass(frozen=True)
class Do:
    """Compute a piece, and answer with `Done`."""

    piece: object


@dataclass(frozen=True)
class Follow:
    """Take the steps of a training."""

    function: Callable[..., object]
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Value:
    """The lead's value: of `agree`, or of `release`."""

    value: object


@dataclass(frozen=True)
class Ready:
    """A member has imported what it needs."""


@dataclass(frozen=True)
class Done:
    """The result of a piece."""

    result: object


@dataclass(frozen=True)
class Failed:
    """A member's work has raised.

    Args:
        text: the traceback; of a user's mistake or a plugin's fault the message.
        is_users: whether it is such a mistake.
        is_of_others: whether it says no more than that another process went away.
    """

    text: str
    is_users: bool
    is_of_others: bool
