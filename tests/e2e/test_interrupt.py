"""Ctrl-C: a checkpoint, exit code 130, and the next run goes on from there."""

import json
import os
import signal

import psutil
import pytest
from run_processes import servers_of


def steps_of(notes, cell):
    return [int(line.split()[2]) for line in notes() if line.startswith(f"step {cell} ")]


def test_ctrl_c_saves_and_the_next_run_goes_on(command, undisturbed, recorder, wait):
    # No checkpoint of the clock's: the one that is there was written by the interruption.
    notes = recorder(command)
    cells = ("--only", "method=none", "--seeds", "0", "--checkpoint-seconds", "3600")
    process = command.start(*cells)
    assert wait(lambda: steps_of(notes, "small"), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and its workers
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(command.runs.glob("records/*/small__*"))

    (checkpoint,) = command.runs.glob("work/base-*/step-*")
    step = json.loads((checkpoint / "manifest.json").read_text())["step"]
    assert 100 <= step < 400
    so_far = len(steps_of(notes, "small"))
    assert command.run(*cells).returncode == 0
    later = steps_of(notes, "small")[so_far:]
    assert later[0] == step // 100 * 100 + 100
    assert later[-1] == 400
    expected = undisturbed.command.results()
    assert len(command.results()) == len([name for name in expected if name.startswith(("small__none__s0", "floor__"))])
    assert command.results() == {name: expected[name] for name in command.results()}


def test_ctrl_c_before_the_workers_are_ready(command, wait):
    process = command.start("--only", "method=none")
    # The command writes there before it starts workers, which then need seconds for their imports.
    assert wait(command.runs.exists, process)
    assert wait(lambda: worker_of(process.pid), process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "died" not in err
    assert not list(command.runs.glob("records/*/small__*"))


def worker_of(pid):
    return servers_of(psutil.Process(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_any_work_ends_the_command_in_the_same_way(command, plugin, wait, number):
    mark = command.board.parent / "mark"
    plugin(
        command, "sleeper", f"import time\nopen({str(mark)!r}, 'w').close()\ntry: time.sleep(60)\nexcept BaseException: pass\n"
    )
    process = command.start("--only", "method=none")
    assert wait(mark.exists, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1:] == ["interrupted; run the same command again to go on"]
