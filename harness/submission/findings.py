"""Findings of a verification: what could be confirmed, what could not and why, and what is contradicted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

RECOMPUTED = "recomputed"
"""The check that measures cells again."""
Verdict = Literal["confirmed", "not confirmed", "contradicted"]


@dataclass(frozen=True)
class Finding:
    """One line of a verification.

    Args:
        check: what was looked at, in a word or two.
        text: what was found, and of what.
    """

    verdict: Verdict
    check: str
    text: str

    @property
    def line(self) -> str:
        """The finding as the command prints it."""
        return f"{self.verdict:<13}  {self.check}: {self.text}"


def confirmed(check: str, text: str) -> Finding:
    """Return the finding that something is as the submission says."""
    return Finding("confirmed", check, text)


def unconfirmed(check: str, text: str) -> Finding:
    """Return the finding that something cannot be told here. text: with the reason."""
    return Finding("not confirmed", check, text)


def contradicted(check: str, text: str) -> Finding:
    """Return the finding that something is not as the submission says."""
    return Finding("contradicted", check, text)


def is_contradicted(findings: Iterable[Finding]) -> bool:
    """Return whether one of the findings is a contradiction."""
    return any(finding.verdict == "contradicted" for finding in findings)
