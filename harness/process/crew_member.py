"""The process of a member of a crew: it does what the lead sends, and ends with it."""

from __future__ import annotations

import logging
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar, cast

from harness.errors import UserError
from harness.process import devices, memory, stop, worker
from harness.process.collectives import Collectives, join
from harness.process.crew import Begin, Crew, Do, Done, End, Failed, Follow, Ready, Setup, Value

T = TypeVar("T")
Worker = Callable[[object], object]


class Member(Crew):
    """A member of a crew.

    Args:
        connection: to the lead.
    """

    def __init__(self, connection: Connection, setup: Setup) -> None:
        self.rank, self.size = setup.rank, setup.size
        self._connection = connection
        self._group: Collectives | None = None

    @property
    def group(self) -> Collectives | None:
        return self._group

    def join(self, setup: Setup) -> None:
        """Say that this process is ready, and meet the others."""
        device = devices.use(setup.device, is_deterministic=setup.is_deterministic)
        self.send(Ready())
        self._group = join(Path(setup.folder), self.rank, self.size, device)

    def send(self, message: object) -> None:
        """Send a message to the lead."""
        self._connection.send_bytes(pickle.dumps(message))

    def receive(self) -> object:
        """Return the next message of the lead. Raises: EOFError when it is gone."""
        return pickle.loads(self._connection.recv_bytes())

    def agree(self, value: Callable[[], T]) -> T:
        message = self.receive()
        assert isinstance(message, Value), f"the lead says {message} where all agree"
        return cast(T, message.value)

    def serve(self, worker: Worker | None = None) -> object:
        workers = [] if worker is None else [worker]
        while True:
            match self.receive():
                case Begin(factory, arguments):
                    workers.append(factory(self, *arguments))
                case End():
                    workers.pop()
                case Do(piece):
                    self.send(Done(workers[-1](piece)))
                case Follow(function, arguments):
                    function(self, *arguments)
                case Value(value):
                    return value


def main() -> None:
    """Begin as a member. The one argument of the command is the descriptor of the pipe to the lead."""
    for number in stop.SIGNALS:  # the lead saves the state, and then ends this process
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop.SIGNALS)
    connection: Connection = Connection(int(sys.argv[1]))
    setup = pickle.loads(connection.recv_bytes())
    _begin(setup)
    member = Member(connection, setup)
    try:
        member.join(setup)
        member.serve()
    except EOFError:  # the lead is gone
        sys.exit(worker.KILLED_WITH_PARENT)
    except BaseException as error:  # a plugin may raise anything
        with suppress(OSError):
            member.send(_failed(error))
        sys.exit(1)


def _begin(setup: Setup) -> None:
    """Set this process up like a worker (`harness.process.worker.begin`)."""
    import torch

    worker.end_with(setup.lead)
    devices.take_slot(setup.slot)
    devices.share_cards(setup.rank, setup.size)
    logging.basicConfig(level=logging.ERROR, format="%(message)s")  # the lead says the same
    memory.keep_freed()
    torch.set_num_threads(int(worker.thread_environment()["OMP_NUM_THREADS"]))
    torch.set_flush_denormal(True)


def _failed(error: BaseException) -> Failed:
    if isinstance(error, UserError):
        return Failed(str(error), is_users=True, is_of_others=False)
    text = "".join(traceback.format_exception(error))
    is_of_others = isinstance(error, ConnectionError) or any(word in str(error) for word in ("gloo", "NCCL", "Connection"))
    return Failed(text, is_users=False, is_of_others=is_of_others)
