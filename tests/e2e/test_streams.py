"""Commands whose output goes to readers that leave, to full disks, to other encodings, and from `python -O`."""

import os
import subprocess
import sys

import pytest

HARNESS = f'"{sys.executable}" -m harness'
READ = "list methods", "show method ddo", "validate leaderboards/quickstart", "run leaderboards/quickstart --dry-run"


def shell(line, **environment):
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    full = {**os.environ, "OMP_NUM_THREADS": "1", "HARNESS_RUNS": "/nonexistent", **environment}
    return subprocess.run(["bash", "-c", line], capture_output=True, env=full, cwd=root, timeout=280, check=False)


def test_a_reader_that_leaves_is_no_fault():
    done = shell(f'{HARNESS} list | true; exit "${{PIPESTATUS[0]}}"')
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_one_line(redirect):
    done = shell(f"{HARNESS} list {redirect}")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: the output cannot be written: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", READ)
def test_no_encoding_stops_a_command(command, encoding):
    done = shell(f"{HARNESS} {command}", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding)


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_commands_and_a_board_run_without_asserts_and_docstrings(option, tmp_path):
    (tmp_path / "board.yaml").write_text(
        "title: Tiny\ndataset: {name: swiss-roll, train_size: 100}\n"
        "bases: {small: {model: {name: ddpm-mlp, steps: 2, width: 8}, "
        "pretrain: {method: mle, training: {images: 32, batch: 16}}}}\n"
        "methods: {none: , mle: }\ntraining: {images: 32, batch: 16}\nseeds: [0]\n"
        "evaluation: {samples: 20, batch: 20}\nmetrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}\n"
    )
    python = f'"{sys.executable}" {option} -m harness'
    run = f"run {tmp_path} --runs-dir {tmp_path / 'runs'} --jobs 1"
    commands = [f"{python} {command} > /dev/null" for command in ("list methods", "show method ddo", "run --help")]
    done = shell(" && ".join([*commands, f"{python} {run}"]), PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"| small") == 2


def test_a_run_whose_reader_of_progress_leaves_goes_on(command):
    line = f"{HARNESS} run {command.board} --runs-dir {command.runs} --jobs 1 --smoke --only method=none --seeds 0"
    done = shell(f'{line} 2>&1 >/dev/null | head -1; exit "${{PIPESTATUS[0]}}"', PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stdout
    assert list(command.runs.glob("**/records/*/small__none__s0.*"))
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ulimit -v")
def test_a_limit_of_memory_that_is_too_small_for_pytorch_is_one_line(command):
    done = shell(f"ulimit -v 1500000; {HARNESS} run {command.board} --runs-dir {command.runs}")
    assert done.returncode == 2
    *remarks, line = done.stderr.decode().splitlines()  # remarks on the board, and one line on what failed
    assert line.startswith("error: ")
    assert not any("Traceback" in remark for remark in remarks)
    assert "the address space of a process is limited to 1464 MB, and PyTorch maps several GB: raise `ulimit -v`" in line
