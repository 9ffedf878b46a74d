"""How a process ended, in words."""

from __future__ import annotations

import signal


def death_of(exit_code: int) -> str:
    """Return how a process ended, as the rest of a sentence. exit_code: minus the signal's number where one killed it."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    number = -exit_code
    name = signal.Signals(number).name if number in {each.value for each in signal.Signals} else f"signal {number}"
    return f"was killed by {name}" + (" (out of memory?)" if number == signal.SIGKILL else "")
