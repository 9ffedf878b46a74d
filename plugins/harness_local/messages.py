"""The messages between the executor and its fork server, which share one connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Order:
    """The executor asks for a job to be run.

    Args:
        number: of the order; answers carry it.
        slot: see `harness.process.worker.begin`.
        call: pickled (function, arguments).
        imports: modules to import before the fork.
    """

    number: int
    slot: int
    call: bytes
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """The server has imported what every job needs, and takes orders."""


@dataclass(frozen=True)
class Unable:
    """The server cannot start, for this reason. Nothing follows."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """The process of an order is gone.

    Args:
        answer: pickled `Answer`; None where the process died before it gave one.
        exit_code: of the process; -N where signal N killed it. 0 where the process waits for another order.
        left: what the order left changed in its process, where the process was to do others too; "" where it left nothing.
    """

    number: int
    answer: bytes | None
    exit_code: int
    left: str = ""


@dataclass(frozen=True)
class Declined:
    """The order was not started, and the server takes no others: importing a package has changed its global state.

    Args:
        package: the package, which the next server must not import.
        change: what the import changed.
    """

    number: int
    package: str
    change: str


@dataclass(frozen=True)
class Done:
    """The end of a job, as its process tells it to the server.

    Args:
        answer: pickled `Answer`.
        imported: names of the modules that the job imported.
        left: see `Ended`.
        is_free: whether the process waits for another order.
    """

    answer: bytes
    imported: tuple[str, ...]
    left: str = ""
    is_free: bool = False


class Answer(NamedTuple):
    """The end of a job in its process: what the function returned, or the text of what it raised."""

    value: object
    death: str | None
