"""Asks a server to check components, each in a process of its own. Importing this module costs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from harness.errors import Faults
from harness.plugins import Broken
from harness.testing.reports import Outcome, Report, Subject

LIMIT_SECONDS = 600.0
"""How long all checks of one component may take."""
_END_SECONDS = 10.0


class Checker:
    """The server's other side, which starts it. As a context manager it ends the server with the block.

    Args:
        limit: seconds that the checks of one component may take.
    """

    def __init__(self, limit: float = LIMIT_SECONDS) -> None:
        command = [sys.executable, "-m", "harness.testing.check_server", str(limit)]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the server and what it has started."""
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._server.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def installed(self) -> tuple[list[Subject], list[Broken]]:
        """Return everything that has a suite, and the plugins that are broken."""
        subjects, broken = list[Subject](), list[Broken]()
        for answer in self._asked({"do": "list"}):
            if "subject" in answer:
                subjects.append(TypeAdapter(Subject).validate_python(answer["subject"]))
            else:
                broken.append(TypeAdapter(Broken).validate_python(answer["broken"]))
        return subjects, broken

    def check(self, subject: Subject, settings: Mapping[str, object] | None = None) -> Report:
        """Check one subject. Raises: Faults for settings that are wrong."""
        outcomes: list[Outcome] = []
        for answer in self._asked({"do": "check", "subject": vars(subject), "settings": dict(settings or {})}):
            if outcomes and outcomes[-1].state == "running":
                running = outcomes.pop()
            else:
                running = Outcome("its checks can begin", "running")
            if "died" in answer:
                outcomes.append(replace(running, state="failed", message=str(answer["died"])))
            else:
                outcomes.append(TypeAdapter(Outcome).validate_python(answer["outcome"]))
        return Report(subject, outcomes)

    def _asked(self, request: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """Send a request, and yield the answers to it. Raises: Faults that the server answers with; RuntimeError if it died."""
        sending, receiving = self._server.stdin, self._server.stdout
        if sending is None or receiving is None:
            raise RuntimeError("the server has no pipes")
        sending.write(json.dumps(request) + "\n")
        sending.flush()
        faults: Sequence[str] = ()
        for line in receiving:
            answer = json.loads(line)
            if "end" in answer:
                if faults:
                    raise Faults(faults)
                return
            if "error" in answer:
                faults = answer["error"]
            else:
                yield answer
        raise RuntimeError(f"the process that checks plugins has ended with {self._server.wait()}")
