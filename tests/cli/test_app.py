"""The command as a whole: help, exit codes, and what a fault, a bug and Ctrl-C look like."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import __version__
from harness.cli import app, main
from harness.cli.app import COMMANDS
from harness.errors import Faults, Interrupted, UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def raising(monkeypatch):
    """Makes every command raise an error; runs `harness` and returns the exit code."""

    def run(error):
        def command(**_):
            raise error

        monkeypatch.setattr(app, "app", command)
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    return run


def test_the_version_is_told_without_a_command(shell):
    done = shell("--version")
    assert (done.returncode, done.stdout) == (0, f"finetune-harness {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_opens_with_an_example(shell, command):
    done = shell(command, "--help")
    assert done.returncode == 0
    example = (COMMANDS[command].__doc__ or "").splitlines()[0]
    assert example.startswith(f"Example: harness {command}")
    assert done.stdout.split("\n\n")[1].strip() == example  # in one line, to be copied


def test_the_overview_names_all_commands_with_a_sentence_each(shell):
    text = shell("--help").stdout
    assert "Example: harness run leaderboards/quickstart" in text
    listed = text.partition("Commands:")[2].splitlines()
    for command in COMMANDS:
        (line,) = [line for line in listed if line.startswith(f"  {command} ")]
        assert line.split(maxsplit=1)[1][0].isupper()
        assert "Example" not in line


def test_the_command_alone_shows_the_overview(shell):
    done = shell()
    assert done.stdout + done.stderr == shell("--help").stdout
    assert done.returncode in (0, 2)  # 2 since click 8.2


def test_an_unknown_option_and_an_unknown_command_are_exit_2(shell):
    for arguments in (["run", "leaderboards/small", "--sedes", "0"], ["ran"]):
        done = shell(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "No such" in done.stderr


def test_each_fault_is_a_line_on_stderr_and_exit_2(raising, capsys):
    assert raising(Faults(["board.yaml:2: this", "board.yaml:5: that"])) == 2
    assert capsys.readouterr() == ("", "error: board.yaml:2: this\nerror: board.yaml:5: that\n")
    assert raising(UserError("where: what; what to do")) == 2


def test_a_line_end_or_a_colour_in_a_name_does_not_split_the_error(raising, capsys):
    assert raising(UserError("a\nb.png: no such\x1b[31m file")) == 2
    assert capsys.readouterr() == ("", "error: a\\nb.png: no such\\x1b[31m file\n")
    assert raising(Faults(["a\nb: this", "that"])) == 2
    assert capsys.readouterr() == ("", "error: a\\nb: this\nerror: that\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_board_in_the_example_of_a_help_is_there(command):
    named = re.findall(r"leaderboards/[\w-]+", COMMANDS[command].__doc__ or "")
    assert [path for path in named if not (ROOT / path / "board.yaml").is_file()] == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), Interrupted()])
def test_an_interrupted_run_is_exit_130(raising, capsys, interruption):
    assert raising(interruption) == 130
    assert capsys.readouterr() == ("", "interrupted; run the same command again to go on\n")


def test_a_bug_keeps_its_traceback(raising):
    with pytest.raises(RuntimeError, match="a bug"):
        raising(RuntimeError("a bug"))


def test_a_reader_that_has_seen_enough_is_no_fault(folder):
    # `harness list | head -1`, where the output is larger than what fits into a pipe.
    code = (
        "import sys, harness.cli.app as app\n"
        "from harness.cli.output import print_json\n"
        "app.app = lambda **_: print_json(['x' * 99] * 9999)\n"
        "app.main()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "[\n"
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")


def test_the_log_level_is_the_environment_s(raising, monkeypatch):
    levels = []
    monkeypatch.setattr(logging, "basicConfig", lambda *, level, **_: levels.append(level))
    monkeypatch.delenv("HARNESS_LOG", raising=False)
    raising(UserError(""))
    monkeypatch.setenv("HARNESS_LOG", "DEBUG")
    raising(UserError(""))
    assert levels == ["WARNING", "DEBUG"]


def test_commands_that_only_read_import_no_torch(folder):
    commands = [
        "--help",
        "run --help",
        "measure --help",
        "list",
        "show method ddo",
        "validate leaderboards/small",
        "status leaderboards/small",
        "render leaderboards/small",
    ]
    # In one process of its own, since this one has imported torch; help comes first, and imports no pandas either.
    code = (
        "import sys\n"
        "from harness.cli import main\n"
        "for command in sys.argv[1:]:\n"
        "    sys.argv = ['harness', *command.split()]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, command\n"
        "    slow = {'torch'} | ({'pandas'} if '--help' in command else set())\n"
        "    assert not slow & set(sys.modules), (command, slow & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *commands], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command(folder):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "harness", "validate", "leaderboards/none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: leaderboards/none: no board there")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("level", "code"), [("debug", 0), ("INFO", 0), ("", 0), ("loud", 2)])
def test_the_level_of_logs_is_one_of_loggings_in_any_case(raising, capsys, monkeypatch, level, code):
    monkeypatch.setenv("HARNESS_LOG", level)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    assert raising(SystemExit(0)) == code
    expected = "error: HARNESS_LOG=loud: there are DEBUG, INFO, WARNING, ERROR and CRITICAL\n" if code else ""
    assert capsys.readouterr().err == expected
