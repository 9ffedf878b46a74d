"""Runs the suite of a subject check by check, and goes on after one that fails."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import in_one_line, one_line
from harness.testing.checks import title
from harness.testing.reports import Outcome, Subject
from harness.testing.suites import Case, NotChecked, WrongSettings, suite

PREPARATION = "what the checks need can be made"
REST = "the other checks"
CORE = Path(__file__).resolve().parents[1]


def outcomes(subject: Subject, settings: Mapping[str, object] | None = None) -> Iterator[Outcome]:
    """Yield the outcome of each check, and before it the same with the state "running".

    Args:
        settings: settings of the component, in the place of those of a smoke run.
    Raises: WrongSettings. Whatever else a plugin raises is the outcome of a check.
    """
    cases = suite(subject, settings)
    while True:
        try:
            case = next(cases)
        except StopIteration:
            return
        except WrongSettings:
            raise
        except NotChecked as reason:
            yield Outcome(REST, "skipped", message=one_line(str(reason)))
            return
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            yield Outcome(PREPARATION, "failed", message=fault_in_words(error))
            return
        name = title(case.check)
        yield Outcome(name, "running", case.on)
        yield _outcome(name, case)


def _outcome(name: str, case: Case) -> Outcome:
    try:
        case.check()
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return Outcome(name, "failed", case.on, fault_in_words(error))
    return Outcome(name, "passed", case.on)


def fault_in_words(error: BaseException) -> str:
    """Return what is wrong in one line: the message of a check, or an error and the line of the plugin that it comes from."""
    if isinstance(error, AssertionError) and error.args and not _place(error):
        return one_line(" ".join(str(error).split()))
    what = f"it called sys.exit({error.code!r})" if isinstance(error, SystemExit) else in_one_line(error)
    place = _place(error)
    return f"{what} (at {place})" if place else what


def _place(error: BaseException) -> str:
    """Return the file and line where the error was raised, if that is outside of the harness; "" for an error of a check."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not Path(frame.filename).is_relative_to(CORE) and Path(frame.filename).is_file()]
    return f"{outside[-1].filename}:{outside[-1].lineno}" if outside and not _is_of_a_check(frames) else ""


def _is_of_a_check(frames: traceback.StackSummary) -> bool:
    """Whether the last frame is that of `expect`: the check speaks, and not the plugin."""
    return Path(frames[-1].filename).parent == CORE / "testing"
