"""The Tab key in real shells, and `harness completion`, which installs it."""

import os
import pty
import select
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli.completion import START_FILES, script_of

ROOT = Path(__file__).resolve().parents[2]
SHELLS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
READY = "ready-for-keys"
SECONDS = 120.0


@pytest.fixture
def program(tmp_path):
    """A folder of the path with `harness` in it, as pip installs it."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "harness"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return command.parent


class Terminal:
    """A shell on a terminal of its own, which is typed at."""

    def __init__(self, shell, folder, program):
        self.process, self.screen = 0, ""
        self.process, self.keys = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.environ.update(HOME=str(folder), ZDOTDIR=str(folder), TERM="dumb", PS1="$ ", COLUMNS="200")
            os.environ["PATH"] = f"{program}:{os.environ['PATH']}"
            os.execv(shutil.which(shell), [shell, *SHELLS[shell]])

    def type(self, text):
        os.write(self.keys, text.encode())

    def wait_for(self, text):
        """Read the screen until it shows the text. Returns: whether it does."""
        deadline = time.monotonic() + SECONDS
        while text not in self.screen and time.monotonic() < deadline:
            if select.select([self.keys], [], [], 1.0)[0]:
                self.screen += os.read(self.keys, 4096).decode(errors="replace").replace("\x07", "")
        return text in self.screen

    def close(self):
        os.kill(self.process, 9)
        os.waitpid(self.process, 0)
        os.close(self.keys)


@pytest.fixture(params=SHELLS)
def terminal(request, folder, program):
    """An interactive shell with the completion, in a folder with the board `small`."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    working = folder.parents[1]
    (working / "completion").write_text(script_of(request.param))
    terminal = Terminal(request.param, working, program)
    if request.param == "zsh":
        terminal.type("autoload -Uz compinit && compinit -u -d ./dump\n")
    terminal.type(f"source ./completion; echo {READY[:5]}''{READY[5:]}\n")
    assert terminal.wait_for(READY), terminal.screen
    yield terminal
    terminal.close()


def test_tab_completes_commands_boards_and_filters_in_a_real_shell(terminal):
    terminal.screen = ""
    terminal.type("harness run leaderb\t")
    assert terminal.wait_for("leaderboards/small"), terminal.screen
    terminal.screen = ""
    terminal.type("--only method=dd\t")
    assert terminal.wait_for("method=ddo"), terminal.screen
    assert "method=method" not in terminal.screen


def candidates(line, program, folder):
    """What bash's completion gives for a line; readline puts each in the place of what follows the last of = and :."""
    call = f"""
source {folder}/script
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=(harness); COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
_harness_completion; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    (folder / "script").write_text(script_of("bash"))
    environment = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", "--norc", "-c", call], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("harness run leaderboards/small --only=method=d", ["ddo"]),
        ("harness run leaderboards/small --only method=ddo,sa", ["ddo,sampler="]),
        ("harness check method:sft-", ["sft-pg"]),
        ("harness export nothing-like-this", []),
    ],
)
def test_in_bash_a_candidate_is_what_readline_puts_behind_its_word_break(line, values, program, folder):
    assert candidates(line, program, folder.parents[1]) == values


def test_an_answer_imports_no_torch(folder, program):
    script = "import sys, harness.cli.app as app; app.main()"
    watch = f"import atexit, sys; atexit.register(lambda: sys.stderr.write(str('torch' in sys.modules)))\n{script}"
    line = "harness run leaderboards/small --only method=d"
    asked = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_HARNESS_COMPLETE": "complete_fish"}
    environment = {**os.environ, **asked}
    ended = subprocess.run(
        [sys.executable, "-c", watch], cwd=folder.parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.stdout.split(), ended.stderr) == (["method=ddo"], "False")


@pytest.mark.parametrize("name", START_FILES)
def test_an_installed_completion_is_read_when_the_shell_starts_and_twice_changes_nothing(shell, tmp_path, name):
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "ZDOTDIR": ""}
    start = tmp_path / START_FILES[name]
    start.write_text("alias a=b")
    ended = shell("completion", "install", name, **home)
    target = tmp_path / "data" / "finetune-harness" / f"completion.{name}"
    assert (ended.returncode, ended.stdout) == (0, f"{target}\n")
    assert target.read_text() == script_of(name)
    once = start.read_text()
    assert once == f"alias a=b\nsource {target}  # completion of harness\n"
    assert shell("completion", "install", name, **home).returncode == 0
    assert start.read_text() == once


def test_the_shell_is_that_of_the_user_where_none_is_named(shell):
    assert shell("completion", "show", SHELL="/usr/bin/zsh").stdout == script_of("zsh")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fish",), "no shell with a completion is called 'fish'; there are: bash, zsh"),
        ((), "completion: $SHELL is '/bin/tcsh'; name bash or zsh"),
    ],
)
def test_another_shell_is_refused(shell, arguments, message):
    ended = shell("completion", "install", *arguments, SHELL="/bin/tcsh")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr


def test_a_folder_that_cannot_be_written_names_the_other_way(shell, tmp_path):
    (tmp_path / "file").write_text("")
    ended = shell("completion", "install", "bash", HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "file"))
    assert ended.returncode == 2
    assert "harness completion show bash" in ended.stderr
