"""Values without torch that say what was checked and what was found: subjects, outcomes of checks, reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Subject:
    """Something that is installed and has a suite.

    Args:
        kind: a kind of component, or "preset", "listener" or "plugin".
        name: its name. A listener and a plugin have the name of the entry point.
        plugin: the entry point that it comes from.
        distribution: name and version of the distribution, `harness-l2sp 0.1`; "" where there is none.
    """

    kind: str
    name: str
    plugin: str
    distribution: str = ""

    @property
    def title(self) -> str:
        """The kind and the name, as a command line writes them: `method:ddo`."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Outcome:
    """The result of a check.

    Args:
        check: what it looks at, in words.
        on: what it was tried on, such as `on ddpm-mlp`; "" where the component stands alone.
        state: "running" before it has ended.
        message: what is wrong and what to do; why it was skipped; "" where it passed.
    """

    check: str
    state: Literal["running", "passed", "failed", "skipped"]
    on: str = ""
    message: str = ""


@dataclass(frozen=True)
class Report:
    """The outcomes of a subject's checks, in their order."""

    subject: Subject
    outcomes: Sequence[Outcome]

    @property
    def state(self) -> State:
        """Failed where a check failed; skipped where some or all could not be tried; else passed."""
        states = {outcome.state for outcome in self.outcomes}
        return "failed" if "failed" in states else "skipped" if "skipped" in states else "passed"

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(outcome.state == "passed" for outcome in self.outcomes)
