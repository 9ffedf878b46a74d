"""A program that checks components, each in a process of its own: `python -m harness.testing.check_server TIME_LIMIT`.

It imports torch once, and forks a process for each request, a line of JSON on stdin. Each answer is a line of JSON on stdout:
what the process found, or how it ended where it died or took longer than the limit. So no plugin can take the program down, and
none meets what another has changed. `harness.testing.checker.Checker` is its other side.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib import metadata
from typing import IO, Literal, NoReturn

from harness import hookspecs
from harness.errors import UserError, faults_of, in_one_line, one_line
from harness.plugin_code import DISABLED, disabled_plugins

Answer = dict[str, object]
Work = Callable[[Callable[[Answer], None]], None]
"""What a forked process does; it is called with the function that gives its answers away."""
LAST_OUTPUT = 200
"""Characters of what a process printed before it died, for the message."""


class Server:
    """Forks a process for each request, and hands its answers on.

    Args:
        answers: where answers are written.
        limit: seconds that a process may take.
        requests: the descriptor that requests come from. When it ends while a process works, nobody listens any more.
    """

    def __init__(self, answers: IO[str], limit: float, requests: int = 0) -> None:
        self.answers, self.limit, self.requests = answers, limit, requests

    def serve(self, request: Mapping[str, object]) -> None:
        """Answer one request: `{"do": "list"}` or `{"do": "check", "subject": …, "settings": …}`."""
        if request["do"] == "list":
            self._list()
        else:
            ended = self.run(partial(_check, request), self._answer)
            if ended is not None:
                self._answer({"died": ended})
        self._answer({"end": True})

    def _list(self) -> None:
        """Answer with all that is installed. A plugin whose import ends a process is found, and left out from then on."""
        found: list[Answer] = []
        if self.run(_list, found.append) is not None:
            found = list(self._without_deadly_plugins())
            if (ended := self.run(_list, found.append)) is not None:
                found.append({"error": [f"the installed plugins cannot be listed: {ended}"]})
        _import_own_plugins({plugin["plugin"] for answer in found if isinstance(plugin := answer.get("broken"), dict)})
        for answer in found:
            self._answer(answer)

    def _without_deadly_plugins(self) -> Iterator[Answer]:
        """Find the plugins whose import ends a process. They are left out of all later processes, and are broken."""
        entries = {entry.name: entry.value for entry in metadata.entry_points(group=hookspecs.GROUP)}
        left_out = set(disabled_plugins())
        deadly = self._deadly(sorted(entries.keys() - left_out), left_out | entries.keys())
        os.environ[DISABLED] = ",".join(sorted(left_out | deadly.keys()))
        for name, ended in deadly.items():
            yield {"broken": {"plugin": name, "target": entries[name], "reason": f"while it was imported, {ended}"}}

    def _deadly(self, names: Sequence[str], every: Set[str]) -> dict[str, str]:
        """Return how a process ends that imports one of these plugins, by name, where it ends; halves are tried apart."""
        ended = self.run(partial(_import_without, every - set(names)), lambda _: None)
        if ended is None or len(names) < 2:
            return {} if ended is None else {names[0]: ended}
        middle = len(names) // 2
        return {**self._deadly(names[:middle], every), **self._deadly(names[middle:], every)}

    def _answer(self, answer: Answer) -> None:
        self.answers.write(json.dumps(answer) + "\n")
        self.answers.flush()

    def run(self, work: Work, give: Callable[[Answer], None]) -> str | None:
        """Do some work in a forked process, and pass its answers on as they come.

        Returns: how the process ended where it did not end by itself, in words; else None.
        """
        with tempfile.TemporaryFile() as printed:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reading)
                _be_child(work, os.fdopen(writing, "w"), printed.fileno())
            os.close(writing)
            try:
                end = self._pass_on(reading, give)
            finally:
                os.close(reading)
                for kill in (os.killpg, os.kill):  # an end that is under way keeps its reason; a young child has no group yet
                    with suppress(ProcessLookupError, PermissionError):
                        kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
            if end == "late":
                return f"it took longer than {self.limit:g} s; --time-limit sets another limit"
            return _end_in_words(status, printed) if end == "closed" else None

    def _pass_on(self, reading: int, give: Callable[[Answer], None]) -> Literal["done", "closed", "late"]:
        """Pass answers on until the process is done, closes its pipe, or has taken too long.

        Raises: SystemExit when nobody listens any more.
        """
        deadline, rest = time.monotonic() + self.limit, b""
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([reading, self.requests], [], [], left)
            if reading in ready:
                part = os.read(reading, 1 << 16)
                if not part:
                    return "closed"
                *lines, rest = (rest + part).split(b"\n")
                for answer in map(json.loads, lines):
                    if answer == {"done": True}:
                        return "done"
                    give(answer)
            elif ready:  # a request while one is answered: the other side has gone
                raise SystemExit
        return "late"


def _be_child(work: Work, answers: IO[str], printed: int) -> NoReturn:
    """Do the work of a forked process, and end it. What plugins print goes into a file."""

    def give(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    code = 1
    try:
        os.setsid()  # what the plugin starts ends with it
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        work(give)
        give({"done": True})
        code = 0
    except UserError as error:
        give({"error": list(faults_of(error))})
        give({"done": True})
        code = 0
    except BaseException as error:  # whatever a plugin does, the process ends here
        with suppress(BaseException):
            os.write(2, f"{in_one_line(error)}\n".encode())
    finally:
        os._exit(code)


def _end_in_words(status: int, printed: IO[bytes]) -> str:
    code = os.waitstatus_to_exitcode(status)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    size = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, size - 8 * LAST_OUTPUT))
    lines = printed.read().decode(errors="replace").strip().splitlines()
    last = f"; the last that it printed: {one_line(lines[-1])[:LAST_OUTPUT]}" if lines else ""
    return f"its process {how}{last}"


def _list(give: Callable[[Answer], None]) -> None:
    from harness.plugins import registry
    from harness.testing.suites import subjects

    installed = registry()
    for subject in subjects(installed):
        give({"subject": asdict(subject)})
    for broken in installed.broken:
        give({"broken": asdict(broken)})


def _import_own_plugins(broken: Set[str]) -> None:
    """Import the working plugins that come with the harness, so that no later process needs to; a listing has tried them."""
    entries = metadata.entry_points(group=hookspecs.GROUP)
    for entry in entries:
        if entry.dist is not None and entry.dist.name == "finetune-harness" and entry.name not in {*broken, *disabled_plugins()}:
            entry.load()


def _import_without(others: Set[str], _: Callable[[Answer], None]) -> None:
    from harness.plugins import registry

    os.environ[DISABLED] = ",".join(sorted(others))
    registry()


def _check(request: Mapping[str, object], give: Callable[[Answer], None]) -> None:
    from harness.testing.outcomes import outcomes
    from harness.testing.reports import Subject

    subject, settings = request["subject"], request["settings"]
    if not (isinstance(subject, dict) and isinstance(settings, dict)):
        raise TypeError("a request to check names a subject and its settings, each a mapping")
    for outcome in outcomes(Subject(**subject), settings):
        give({"outcome": asdict(outcome)})


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side decides what Ctrl-C means
    import torch

    import harness.testing.suites  # noqa: F401 - what every process needs, once

    torch.set_num_threads(1)
    server = Server(answers, float(sys.argv[1]))
    with os.fdopen(0, "rb", buffering=0) as requests:
        for line in requests:
            server.serve(json.loads(line))


if __name__ == "__main__":
    main()
