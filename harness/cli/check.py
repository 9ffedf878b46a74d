"""`harness check`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli import value_completion
from harness.cli.arguments import checkable_names
from harness.cli.output import print_json, remark, result
from harness.components import KINDS

if TYPE_CHECKING:
    from harness.plugins import Broken
    from harness.testing.reports import Outcome, Report, Subject

MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PLUGIN...]",
        help="Components (method:ddo or ddo), kinds (methods), plugins, distributions; none: all that is installed.",
        autocompletion=checkable_names,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME.KEY=VALUE",
        help="A setting of a component that is checked.",
        autocompletion=value_completion.settings_of(*KINDS),
    ),
]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", metavar="SECONDS", min=1, help="How long the checks of one component may take.")
]
Format = Annotated[Literal["text", "json"], typer.Option("--format", help="Lines to read, or JSON.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show every check; otherwise those that passed are counted.")]


def check(
    words: Words = None,
    settings: Settings = None,
    time_limit: TimeLimit = 600.0,
    verbose: Verbose = False,
    output: Format = "text",
) -> None:
    """Example: harness check method:ddo

    Check that installed components keep the contract, each in a process of its own. Exit 1 when a check fails.
    """
    from harness.cli.check_selection import chosen, settings_by_title
    from harness.testing.checker import Checker

    is_text = output == "text"
    reports: list[Report] = []
    with Checker(time_limit) as checker:
        subjects, broken = chosen(*checker.installed(), words or [])
        given = settings_by_title(subjects, settings or [])
        for plugin in broken if is_text else ():
            _print_broken(plugin)
        for subject in subjects:
            reports.append(checker.check(subject, given.get(subject.title)))
            if is_text:
                _print_report(reports[-1], verbose)
    if is_text:
        remark(_summary(reports, broken))
    else:
        print_json({"components": [_facts(report) for report in reports], "broken": [vars(plugin) for plugin in broken]})
    if broken or any(report.state == "failed" for report in reports):
        raise typer.Exit(1)


def _print_broken(plugin: Broken) -> None:
    result(f"{MARKS['failed']} plugin:{plugin.plugin}  cannot be used")
    result(f"    {MARKS['failed']} {plugin.reason}")


def _print_report(report: Report, verbose: bool) -> None:
    counted = f"{report.passed} {'check' if report.passed == 1 else 'checks'} passed"
    origin = f"  ({report.subject.distribution})" if report.subject.distribution else ""
    result(f"{MARKS[report.state]} {report.subject.title}  {counted}{origin}", at_once=True)
    for outcome in report.outcomes:
        if verbose or outcome.state != "passed":
            result(f"    {_line(outcome)}", at_once=True)


def _line(outcome: Outcome) -> str:
    state = " skipped" if outcome.state == "skipped" else ""
    message = f": {outcome.message}" if outcome.message else ""
    return f"{MARKS[outcome.state]}{state} {' '.join(filter(None, [outcome.check, outcome.on]))}{message}"


def _summary(reports: Sequence[Report], broken: Sequence[Broken]) -> str:
    states = [report.state for report in reports]
    parts = [f"{states.count('passed')} passed", f"{states.count('failed') + len(broken)} failed"]
    return ", ".join([*parts, f"{states.count('skipped')} skipped in part or whole"])


def _facts(report: Report) -> dict[str, object]:
    """Return a report as JSON values."""
    subject: Subject = report.subject
    checks: Iterable[Outcome] = report.outcomes
    return {
        "component": subject.title,
        "plugin": subject.plugin,
        "distribution": subject.distribution,
        "state": report.state,
        "checks": [vars(outcome) for outcome in checks],
    }
