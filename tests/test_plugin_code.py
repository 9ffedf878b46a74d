"""Code of plugins that misbehaves while it is imported: it is named, and takes no command down with it."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import EntryPoint

import pytest

from harness import plugin_code
from harness.errors import PluginFault, UserError
from harness.plugin_code import PluginStopped, UserInterrupt, disabled_plugins, guarded, seconds_allowed
from harness.plugins import Registry
from harness.process.process_state import ProcessState
from harness.targets import Target


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that runs this code while it is imported; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code):
        name = f"misbehaves_{len(list(tmp_path.iterdir()))}_{abs(hash(code))}"
        (tmp_path / f"{name}.py").write_text(code + "\n")
        return name

    return write


REASONS = [
    ("import sys; sys.exit(0)", "it called sys.exit(0) while it was imported"),
    ("raise SystemExit('no licence')", "it called sys.exit('no licence') while it was imported"),
    ("import os; os._exit(0)", "it called os._exit(0) while it was imported"),
    ("from os import _exit; _exit(3)", "it called os._exit(3) while it was imported"),
    ("raise KeyboardInterrupt", "it raised KeyboardInterrupt while it was imported"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise MemoryError", "MemoryError"),
    ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    ("raise ValueError('half \\ud800')", "ValueError: half \\ud800"),
    ("class E(Exception):\n    def __str__(self): raise self\nraise E", ".E"),
    ("x = 1 +", "SyntaxError: invalid syntax"),
]


@pytest.mark.parametrize(("code", "reason"), REASONS, ids=lambda value: value.splitlines()[0] if "(" in value else None)
def test_a_plugin_that_misbehaves_is_broken_with_its_reason_in_one_line(module, code, reason):
    (broken,) = Registry([EntryPoint("bad", module(code), "harness")]).broken
    assert reason in broken.reason
    assert "\n" not in broken.reason


@pytest.mark.parametrize(("code", "reason"), REASONS[:5])
def test_a_target_that_misbehaves_is_a_fault_of_the_plugin(module, code, reason):
    path = f"{module(code)}:Method"
    with pytest.raises(PluginFault) as caught:
        Target[object](path).load(where="method bad, build")
    assert str(caught.value) == f"method bad, build: {path!r} cannot be imported: {reason}; mend the plugin"


def test_hooks_are_guarded_like_the_import(module):
    code = "from harness import hookimpl\n@hookimpl\ndef harness_metrics():\n    print('hello')\n    raise SystemExit\n"
    (broken,) = Registry([EntryPoint("bad", module(code), "harness")]).broken
    assert broken.reason == "it called sys.exit(None) while it was imported"


def test_what_a_plugin_prints_goes_to_stderr_whatever_it_prints_with(module, capfd):
    code = "import os, sys\nprint('by print')\nos.write(1, b'by descriptor\\n')\nprint('past the guard', file=sys.__stdout__)"
    print("before")  # noqa: T201 - what the command has printed
    Registry([EntryPoint("loud", module(code), "harness")])
    print("after")  # noqa: T201
    out, err = capfd.readouterr()
    assert out == "before\nafter\n"
    assert {"by print", "by descriptor"} <= set(err.splitlines())


def test_an_import_works_where_stdout_is_closed(module):
    code = (
        f"import os, sys; os.close(1); sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from harness.targets import Target\nTarget('colorsys:hls_to_rgb').load()\nos.write(2, b'well')"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False)
    assert done.stderr == b"well"


def test_an_import_that_hangs_is_said_and_broken_off_at_the_limit(module, monkeypatch, capfd):
    monkeypatch.setattr(plugin_code, "SLOW_SECONDS", 0.05)
    monkeypatch.setenv(plugin_code.LIMIT, "0.3")
    started = time.monotonic()
    (broken,) = Registry([EntryPoint("sleepy", module("import time; time.sleep(60)"), "harness")]).broken
    assert time.monotonic() - started < 10
    assert broken.reason == "importing it took longer than 0.3 s; HARNESS_IMPORT_SECONDS sets another limit"
    slow = "plugin sleepy takes long to import: 0.05 s so far, 0.3 s at most; HARNESS_DISABLE_PLUGINS leaves plugins out"
    assert slow in capfd.readouterr().err.splitlines()


def test_an_import_that_catches_everything_is_broken_off_all_the_same(module, monkeypatch):
    monkeypatch.setenv(plugin_code.LIMIT, "0.1")
    code = "import time\ntry:\n    time.sleep(60)\nexcept BaseException:\n    pass\ntime.sleep(60)"
    (broken,) = Registry([EntryPoint("stubborn", module(code), "harness")]).broken
    assert broken.reason.startswith("importing it took longer than 0.1 s")


def test_a_limit_that_is_no_number_of_seconds_is_refused(monkeypatch):
    assert seconds_allowed(60) == 60
    monkeypatch.setenv(plugin_code.LIMIT, "2.5")
    assert seconds_allowed(60) == 2.5
    for text in ("soon", "0", "-1", "inf", "nan"):
        monkeypatch.setenv(plugin_code.LIMIT, text)
        with pytest.raises(UserError, match=f"^HARNESS_IMPORT_SECONDS={text}: expected a number of seconds above 0$"):
            seconds_allowed(60)


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("code", ["", "raise ValueError", "raise SystemExit"])
def test_a_real_ctrl_c_ends_the_command_also_where_the_plugin_swallows_it(code):
    with pytest.raises(UserInterrupt), guarded("plugin bad", 60):  # noqa: PT012 - what a plugin does
        try:
            press_ctrl_c()
        except KeyboardInterrupt:
            exec(code)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert issubclass(UserInterrupt, KeyboardInterrupt)


def send_ctrl_c_past_the_main_thread():
    """As a signal that comes just before a call that blocks: Python has noted it, and nothing interrupts the call."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.kill(os.getpid(), signal.SIGINT)  # another thread takes it


def test_a_ctrl_c_that_comes_just_before_the_import_blocks_is_heard(request):
    request.addfinalizer(lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT}))
    started = time.monotonic()
    with pytest.raises(UserInterrupt), guarded("plugin bad", 60):  # noqa: PT012 - what a plugin does
        send_ctrl_c_past_the_main_thread()
        time.sleep(30)
    assert time.monotonic() - started < 15


def test_a_signal_that_raises_nothing_breaks_no_import_off(request):
    request.addfinalizer(lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT}))
    numbers = []
    before = signal.signal(signal.SIGINT, lambda number, _: numbers.append(number))
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with guarded("plugin good", 60):
        send_ctrl_c_past_the_main_thread()
        time.sleep(0.5)
        assert numbers == [signal.SIGINT]


def test_a_ctrl_c_passes_through_the_registry(module):
    with pytest.raises(KeyboardInterrupt):
        Registry([EntryPoint("slow", module("import signal; signal.raise_signal(signal.SIGINT)"), "harness")])


def test_everything_is_as_before_afterwards():
    def state():
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGVTALRM)]
        descriptor = signal.set_wakeup_fd(-1)
        return os._exit, sys.stdout, handlers, descriptor, threading.active_count(), len(os.listdir("/dev/fd"))

    before = state()
    with guarded("plugin good", 60):
        assert os._exit is not before[0]
    with pytest.raises(PluginStopped), guarded("plugin bad", 60):
        os._exit(0)
    assert state() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda: os.chdir("/"),
        lambda: os.umask(0o077),
        lambda: sys.path.clear(),
        lambda: logging.disable(logging.CRITICAL),
        lambda: setattr(sys, "stdout", io.StringIO()),
    ],
    ids=["working directory", "umask", "sys.path", "logging", "stdout"],
)
def test_what_commands_count_on_is_put_back(change, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = ProcessState()
    with guarded("plugin bad", 60):
        change()
    assert before.changes() == []


def test_a_place_that_a_plugin_adds_to_the_path_stays(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    with guarded("plugin good", 60):
        sys.path.insert(0, "/vendored")
    assert sys.path[0] == "/vendored"


def test_a_thread_that_is_not_the_main_one_is_guarded_too(module):
    found = []
    thread = threading.Thread(target=lambda: found.extend(Registry([EntryPoint("bad", module("exit()"), "harness")]).broken))
    thread.start()
    thread.join()
    assert [broken.plugin for broken in found] == ["bad"]


def test_a_child_that_a_plugin_forks_may_exit():
    with guarded("plugin forks", 60):
        child = os.fork()
        if child == 0:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_plugins_that_the_user_names_are_left_out_and_not_imported(module, monkeypatch):
    name = module("raise RuntimeError('imported')")
    monkeypatch.setenv(plugin_code.DISABLED, " bad , other,")
    assert disabled_plugins() == ("bad", "other")
    found = Registry([EntryPoint("bad", name, "harness")])
    assert (found.broken, found.disabled) == ([], ["bad"])
    assert name not in sys.modules


def test_a_name_to_leave_out_that_no_plugin_has_is_said(module, monkeypatch, caplog):
    monkeypatch.setenv(plugin_code.DISABLED, "godo")
    Registry([EntryPoint("good", module(""), "harness")])
    assert "HARNESS_DISABLE_PLUGINS=godo: " in caplog.text
    assert "did you mean 'good'?" in caplog.text


def test_an_unknown_component_says_what_was_left_out(module, monkeypatch):
    from harness import Metric

    monkeypatch.setenv(plugin_code.DISABLED, "bad")
    with pytest.raises(UserError, match=r"installed: none; left out by HARNESS_DISABLE_PLUGINS: bad$"):
        Registry([EntryPoint("bad", module(""), "harness")]).get(Metric, "fid", where="board.yaml:3")


@pytest.mark.parametrize("code", ["import os; os._exit(0)", "print('[]')", "raise KeyboardInterrupt", "import sys; sys.exit(0)"])
def test_the_command_gives_its_whole_output_beside_a_plugin_that_misbehaves(tmp_path, code):
    about = tmp_path / "bad-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[harness]\nbad = bad_plugin\n")
    (tmp_path / "bad_plugin.py").write_text(code + "\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "harness", "list", "executors", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    import json

    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert "local" in [each["name"] for each in content["executors"]]
    assert len(content["broken"]) == (0 if "print" in code else 1)
