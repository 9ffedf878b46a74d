"""What a test must leave as it found it: the state of its process that other tests, and workers that they start, depend on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

SIGNALS = tuple(signal.Signals[f"SIG{name}"] for name in ("HUP", "PIPE", "QUIT", "USR1", "USR2", "VTALRM", "WINCH"))
"""Signals that programs handle. Those of `stop` are put back after each test, since every command sets them; SIGALRM is that of
the limit on the time of a test, and SIGCHLD is torch's: whatever reads data in processes of its own leaves its handler."""


def _handlers() -> dict[str, object]:
    return {number.name: signal.getsignal(number) for number in SIGNALS}


def _variables() -> dict[str, object]:
    return {name: os.environ[name] for name in os.environ if name.startswith("HARNESS_")}


@dataclass(frozen=True)
class ProcessState:
    """The state when this object is made."""

    exit_function: Callable[..., object] = field(default_factory=lambda: sys.exit)
    excepthook: Callable[..., object] = field(default_factory=lambda: sys.excepthook)
    handlers: dict[str, object] = field(default_factory=_handlers)
    variables: dict[str, object] = field(default_factory=_variables)

    def changes(self) -> list[str]:
        """Return the name of each thing that differs now."""
        now = ProcessState()
        changed = [] if now.exit_function == self.exit_function else ["sys.exit"]
        changed += [] if now.excepthook == self.excepthook else ["sys.excepthook"]
        changed += [f"the handler of {name}" for name, handler in self.handlers.items() if now.handlers[name] != handler]
        names = sorted(self.variables.keys() | now.variables.keys())
        different = [name for name in names if self.variables.get(name) != now.variables.get(name)]
        return changed + [f"the environment variable {name}" for name in different]
