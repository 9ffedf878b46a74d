"""The command and its exit codes: 0 done, 1 a cell failed, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

import harness
from harness.cli import (
    cancel,
    check,
    compare,
    completion,
    convert,
    doctor,
    export,
    import_,
    list_,
    logs,
    measure,
    new,
    prefetch,
    publish,
    rank,
    records,
    render,
    report,
    run,
    samples,
    search,
    show,
    status,
    submit,
    target,
    validate,
    verify,
)
from harness.cli.output import remark, result
from harness.errors import Interrupted, UserError, faults_of
from harness.process import memory, stop, streams
from harness.process.streams import StdoutFailed

INTERRUPTED = 130


class _Group(TyperGroup):
    """The commands, whose faults of arguments are in plain words."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # typer exports this subclass alone
        """Run a command. Raises: BadParameter without the words that pydantic puts before a message of typer."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    name="harness",
    cls=_Group,
    help="Example: harness run leaderboards/quickstart\n\n"
    "Compare methods that fine-tune generative models: run boards, publish and render their tables.",
    no_args_is_help=True,
    # Exceptions that are not the user's fault are bugs, and keep Python's own traceback.
    pretty_exceptions_enable=False,
    # Plain help: rich would cost a third of the time of --help.
    rich_markup_mode=None,
)
COMMANDS: dict[str, Callable[..., None]] = {
    "run": run.run,
    "search": search.search,
    "status": status.status,
    "logs": logs.logs,
    "cancel": cancel.cancel,
    "measure": measure.measure,
    "list": list_.list_components,
    "show": show.show,
    "publish": publish.publish,
    "render": render.render,
    "report": report.report,
    "compare": compare.compare,
    "rank": rank.rank,
    "records": records.records,
    "target": target.target,
    "submit": submit.submit,
    "verify": verify.verify,
    "validate": validate.validate,
    "doctor": doctor.doctor,
    "prefetch": prefetch.prefetch,
    "import": import_.import_images,
    "convert": convert.convert_weights,
    "export": export.export,
    "samples": samples.samples,
    "new": new.new,
    "check": check.check,
    "completion": completion.completion,
}


def _print_version(is_asked: bool) -> None:
    if is_asked:
        result(f"finetune-harness {harness.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before any command."""


for _name, _command in COMMANDS.items():
    # A docstring opens with an example. The command's own --help shows it in one line, to be copied: click's "\\b" keeps it so.
    # The overview shows the sentence after it. Under `python -OO` there are no docstrings: help shows names and options alone.
    _text = inspect.cleandoc(_command.__doc__ or "")
    _sentence = _text.partition("\n\n")[2].partition("\n\n")[0]
    app.command(_name, help=f"\b\n{_text}" if _text else None, short_help=_sentence)(_command)


def _start_logging(level: str) -> None:
    """Log to stderr from this level on. Raises: UserError for a level that logging does not have."""
    if level.upper() not in logging.getLevelNamesMapping():
        raise UserError(f"HARNESS_LOG={level}: there are DEBUG, INFO, WARNING, ERROR and CRITICAL")
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format="%(levelname)s %(name)s: %(message)s")


def main() -> None:
    """Entry point of the console script."""
    stop.raise_on_signals()
    streams.open_closed()
    streams.guard_stdout()
    streams.guard_stderr()
    try:
        try:
            _start_logging(os.environ.get("HARNESS_LOG") or "WARNING")
            app(prog_name="harness")
        finally:
            sys.stdout.flush()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer makes it of KeyboardInterrupt
            _end_interrupted()
        raise
    except UserError as error:
        _refuse(faults_of(error))
    except (KeyboardInterrupt, Interrupted) as error:
        _end_interrupted(str(error) if isinstance(error, Interrupted) else "")
    except StdoutFailed as error:
        _refuse([f"the output cannot be written: {error.strerror}"])
    except (ImportError, MemoryError) as error:
        if not memory.limit_advice():
            raise
        _refuse([f"{type(error).__name__}: {' '.join(str(error).split())}"])


def _refuse(faults: Sequence[str]) -> NoReturn:
    """Print faults and end with 2. Where the user's limit of memory is their cause, that is the only one that is printed."""
    lacking = [fault for fault in faults if any(sign in fault for sign in memory.SIGNS_OF_A_LIMIT)]
    if lacking and (advice := memory.limit_advice()):
        faults = [f"a library cannot be loaded: {lacking[0].rpartition('Error: ')[2].partition('; ')[0] or 'no memory'}{advice}"]
    for fault in faults:
        remark(f"error: {fault}")
    sys.exit(2)


def _end_interrupted(reason: str = "") -> NoReturn:
    remark(reason or "interrupted; run the same command again to go on")
    sys.exit(INTERRUPTED)
