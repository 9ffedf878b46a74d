"""Commands as a shell runs them: what they print where, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from board_fixtures import fake_floor, fake_record

from harness import cli
from harness.board.reading.load import load_board
from harness.cli import main
from harness.errors import Interrupted
from harness.store.records import save_record
from harness.store.runs_folder import RunsFolder

BOARD = """\
title: Small
dataset: swiss-roll
bases:
  ddpm: {model: ddpm-mlp, pretrain: {method: mle, training: {images: 1280}}}
methods: {none: , mle: , ddo: }
training: {images: 1280}
seeds: [0, 1]
evaluation: {samples: 64}
metrics: {sliced-w2: }
"""
BOARD_OF_FILES = """\
title: Files
dataset: digits
bases:
  mine:
    model: edm-unet
    weights:
      file: mine.pt
  published:
    weights: ddpm-cifar10
methods: {none: , mle: }
training: {images: 1280}
seeds: [0]
evaluation: {samples: 64}
metrics:
  "kid[inception]": {metric: {name: kid, subset_size: 32}}
  "is[inception]": {metric: {name: is, splits: 2}}
"""
COMMANDS = ["run", "status", "list", "show", "publish", "render", "validate", "doctor", "measure"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with one board."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)
    board = tmp_path / "leaderboards" / "small"
    board.mkdir(parents=True)
    (board / "board.yaml").write_text(BOARD)
    return board


@dataclass
class Done:
    returncode: object
    stdout: str
    stderr: str


@pytest.fixture
def shell(folder, monkeypatch, capsys):
    """Runs `harness` in this process, which is much faster; gives exit code, stdout, stderr."""

    def run(*arguments, **environment):
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with monkeypatch.context() as context:
            for name, value in {"COLUMNS": "160", **environment}.items():
                context.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main()
        printed = capsys.readouterr()
        return Done(end.value.code or 0, printed.out, printed.err)

    run.folder = folder
    run.layout = RunsFolder(folder.parent.parent / "runs")
    return run


def process(*arguments, **environment):
    """Runs `harness` in a process of its own."""
    command = [sys.executable, "-m", "harness", *arguments]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)


@pytest.fixture
def filled(shell):
    """The same, with a record in ./runs for each cell."""
    board = load_board(shell.folder)
    for cell in board.cells:
        save_record(fake_record(cell), shell.layout.record(board.name, cell.name, cell.key))
    for floor in board.floors:
        save_record(fake_floor(board, floor), shell.layout.floor(board.name, floor.column.name, floor.key))
    shell.board = board
    return shell


@pytest.mark.parametrize("command", COMMANDS)
def test_help_opens_with_an_example(shell, command):
    done = shell(command, "--help")
    assert done.returncode == 0
    assert f"Example: harness {command}" in done.stdout.split("\n\n")[1]


def test_the_overview_names_all_commands(shell):
    text = shell("--help").stdout
    assert "Example: harness run leaderboards/quickstart" in text
    assert all(f"\n  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["measure", "--help"],
        ["list"],
        ["show", "method", "ddo"],
        ["validate", "leaderboards/small"],
        ["run", "leaderboards/small", "--dry-run"],
        ["status", "leaderboards/small"],
        ["render", "leaderboards/small"],
    ],
)
def test_what_only_reads_imports_no_torch(folder, arguments):
    code = (
        "import sys; sys.argv = ['harness', *sys.argv[1:]]\n"
        "from harness.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules\n"
        "assert '--help' not in sys.argv or 'pandas' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_wrong_input_is_exit_2_with_each_fault_on_stderr_and_no_traceback(folder):
    (folder / "board.yaml").write_text(BOARD.replace("mle: , ddo", "mel: , dod").replace("swiss-roll", "roll"))
    done = process("run", "leaderboards/small")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.partition(": no ")[0] for line in lines] == [
        "error: leaderboards/small/board.yaml:2",
        "error: leaderboards/small/board.yaml:5",
        "error: leaderboards/small/board.yaml:5",
    ]
    assert "did you mean 'ddo'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "leaderboards/smal"], "did you mean 'leaderboards/small'?"),
        (["run", "leaderboards/small", "--only", "method=dod"], "did you mean 'ddo'?"),
        (["run", "leaderboards/small", "--only", "metod=ddo"], "did you mean 'method'?"),
        (["run", "leaderboards/small", "--only", "method=ddo,base!=ddpm"], "no cell of this board matches all of it"),
        (
            ["run", "leaderboards/small", "--seeds", "0,7"],
            "--seeds: no seed of this board matches '7'; there are: 0, 1",
        ),
        (
            ["run", "leaderboards/small", "--seeds", "0-1"],
            "--seeds 0-1: write seeds with commas between them, without ranges: --seeds 0,1",
        ),
        (["run", "leaderboards/small", "--seeds", "one"], "without ranges: --seeds 0,1"),
        (["run", "leaderboards/small", "--seeds", "0,method=ddo"], "without ranges: --seeds 0,1"),
        (["run", "leaderboards/small", "--seeds", ""], "without ranges: --seeds 0,1"),
        (["run", "leaderboards/small", "--only", "seed=0-1"], "matches '0-1'; write seed=0,1; there are: 0, 1"),
        (["run", "leaderboards/small", "--executor", "locall"], "did you mean 'local'?"),
        (["run", "leaderboards/small", "--device", "gpu"], "--device gpu: there are auto, cpu, cuda and cuda:N"),
        (["run", "leaderboards/small", "--device", "cuda:99"], "--device cuda:99: PyTorch sees"),
        (["render", "leaderboards/small", "--check", "--format", "csv"], "leave --format out"),
        (["render", "leaderboards/small", "leaderboards/small", "--format", "json"], "give one board"),
        (["list", "modles"], "did you mean 'models'?"),
        (["show", "ddoo"], "did you mean 'ddo'?"),
        (["show", "method", "ddoo"], "did you mean 'ddo'?"),
        (["show", "leaderboards/small/board.yaml"], "board.yaml: not a record, which is a .json file"),
        (["show", "nowhere.json"], "nowhere.json: no such record"),
        (["render", "leaderboards/none"], "no board there"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(shell, arguments, message):
    done = shell(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_an_unknown_option_is_exit_2(shell):
    assert shell("run", "leaderboards/small", "--sedes", "0").returncode == 2


def test_a_dry_run_says_what_would_run_and_writes_nothing(shell):
    done = shell("run", "leaderboards/small", "--dry-run", "--only", "method=ddo,mle", "--seeds", "1")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "2 cells: 2 to run; 1 floor to measure",
        "  to run    ddpm/mle/s1",
        "  to run    ddpm/ddo/s1",
        "  to run    floor sliced-w2",
        "no estimate: no such cell has run yet",
    ]
    assert not (shell.layout.root).exists()


def test_a_dry_run_estimates_from_what_such_cells_took(filled):
    board = filled.board
    cell = board.cells[-1]
    filled.layout.record(board.name, cell.name, cell.key).unlink()
    done = filled("run", "leaderboards/small", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 5 done, 1 to run"
    assert "floor" not in done.stdout  # it is measured
    assert done.stdout.splitlines()[-1].startswith("about 4 s with ")  # 3.2 + 0.4 + 0.5, as the other seed took
    floor = board.floors[0]
    filled.layout.floor(board.name, floor.name, floor.key).unlink()
    done = filled("run", "leaderboards/small", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 5 done, 1 to run; 1 floor to measure"
    assert done.stdout.splitlines()[-1].endswith("; floors come on top")


def test_status_lists_cells_by_state(filled):
    done = filled("status", "leaderboards/small")
    assert done.stdout.splitlines()[0] == "6 cells: 6 done"
    content = json.loads(filled("status", "leaderboards/small", "--json").stdout)
    assert [cell["state"] for cell in content["cells"]] == ["done"] * 6
    assert content["running"] == []


def test_publish_then_render_check_agree(filled):
    assert filled("render", "leaderboards/small", "--check").stdout == "leaderboards/small: nothing published\n"
    done = filled("publish", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    assert "7 records written" in done.stdout
    assert filled("render", "leaderboards/small", "--check").stdout == "leaderboards/small: up to date\n"
    page = filled.folder / "README.md"
    page.write_text(page.read_text() + "more")
    done = filled("render", "leaderboards/small", "--check")
    assert done.returncode == 1
    assert "README.md: stale" in done.stderr
    assert "run: harness render leaderboards/small" in done.stderr
    assert filled("render", "leaderboards/small").returncode == 0
    assert filled("render", "leaderboards/small", "--check").returncode == 0


def test_publishing_half_a_board_is_refused_unless_partial(filled):
    cell = filled.board.cells[-1]
    filled.layout.record("small", cell.name, cell.key).unlink()
    done = filled("publish", "leaderboards/small")
    assert done.returncode == 1
    assert "1 not run: ddpm/ddo/s1" in done.stderr
    assert not (filled.folder / "results").exists()
    assert filled("publish", "leaderboards/small", "--partial").returncode == 0
    assert "not run yet: ddpm/ddo/s1" in (filled.folder / "README.md").read_text()


def test_a_damaged_record_is_exit_2_for_render(filled):
    filled("publish", "leaderboards/small")
    path = filled.folder / "results" / "ddpm__ddo__s0.json"
    path.write_bytes(path.read_bytes()[:300])
    done = filled("render", "leaderboards/small", "--check")
    assert done.returncode == 2
    assert "ddpm__ddo__s0.json: damaged: not a whole record: restore the file" in done.stderr


@pytest.mark.parametrize(("form", "start"), [("latex", r"\begin{tabular}"), ("csv", "base,method,"), ("json", "{")])
def test_other_formats_print_the_table_and_write_nothing(filled, form, start):
    filled("publish", "leaderboards/small")
    (filled.folder / "README.md").unlink()
    done = filled("render", "leaderboards/small", "--format", form)
    assert done.stdout.startswith(start)
    assert not (filled.folder / "README.md").exists()


def test_list_takes_singular_and_plural_and_gives_json(shell):
    assert shell("list", "method").stdout == shell("list", "methods").stdout
    content = json.loads(shell("list", "--json").stdout)
    assert [one["name"] for one in content["boards"]] == ["small"]
    assert "ddo" in [one["name"] for one in content["methods"]]
    assert content["broken"] == []


def test_show_prints_settings_and_records(filled):
    text = filled("show", "method", "ddo").stdout
    assert "beta" in text
    assert "> 0" in text
    assert filled("show", "ddo").stdout == text
    settings = json.loads(filled("show", "ddo", "--json").stdout)["settings"]
    assert "optimizer.lr" in [one["setting"] for one in settings]
    cell = filled.board.cells[0]
    path = filled.layout.record("small", cell.name, cell.key)
    assert json.loads(filled("show", str(path), "--json").stdout)["key"] == cell.key


def test_show_names_presets_near_to_a_model_that_is_none(shell):
    done = shell("show", "model", "ddpm-cifa10")
    assert (done.returncode, done.stdout) == (2, "")
    assert "show: no model or preset is called 'ddpm-cifa10'; did you mean 'ddpm-cifar10'? models: ddpm-mlp, " in done.stderr
    assert "see `harness list presets`" in done.stderr


def test_every_file_that_a_board_lacks_is_named_at_once_with_its_line(shell, tmp_path, monkeypatch):
    for variable in ("HARNESS_INCEPTION", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    (shell.folder / "board.yaml").write_text(BOARD_OF_FILES)
    (shell.folder / "min.pt").write_text("")
    near = f"board.yaml:7: no file of weights is at {shell.folder}/mine.pt; did you mean 'min.pt'? put it there, or give its path"
    published = "ddpm-cifar10-32-diffusion_pytorch_model.bin: not here"
    extractor = "extractor inception: weights-inception-2015-12-05-6726825d.pth is not on this machine"
    path = "leaderboards/small"

    assert shell("validate", path).returncode == 0  # a board can be right where its files are not
    done = shell("run", path)
    assert (done.returncode, done.stdout) == (2, "")
    for part in (near, f"board.yaml:9: {published}", extractor):
        assert done.stderr.count(part) == 1
    assert "Traceback" not in done.stderr

    planned = shell("run", path, "--dry-run")
    assert planned.returncode == 0
    for part in (near, published, extractor):
        assert planned.stderr.count(part) == 1

    fetched = shell("prefetch", path)
    assert fetched.returncode == 2
    for part in (near, published, extractor):
        assert fetched.stderr.count(part) == 1
    listed = shell("prefetch", path, "--dry-run")
    assert listed.returncode == 0
    assert "to be brought by you: extractor inception" in listed.stderr


def test_prefetch_of_a_board_without_files_says_so(shell):
    assert shell("prefetch", "leaderboards/small").stderr == "nothing to fetch: this board needs no file\n"


def test_validate_reports_every_board(shell):
    other = shell.folder.with_name("other")
    other.mkdir()
    (other / "board.yaml").write_text(BOARD.replace("title", "titel"))
    done = shell("validate", "leaderboards/small", "leaderboards/other")
    assert done.returncode == 2
    assert done.stdout == "leaderboards/small: 6 cells, 0 of them skipped\n"
    assert "leaderboards/other/board.yaml:1: no key is called 'titel' here; did you mean 'title'?" in done.stderr


def test_doctor_passes_here_and_fails_where_nothing_can_be_written(shell, tmp_path):
    done = shell("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert all(finding["ok"] for finding in json.loads(done.stdout))
    (tmp_path / "file").write_text("")
    done = shell("doctor", HARNESS_RUNS=str(tmp_path / "file"))
    assert done.returncode == 1
    assert "FAULT  runs folder" in done.stdout


def test_boards_and_components_complete_in_the_shell(folder):
    def complete(words):
        done = process(_HARNESS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
        return done.stdout.split()

    assert Path("leaderboards/small") in [Path(one) for one in complete("harness run lea")]
    assert "ddo" in complete("harness show dd")


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(**_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli.app, "app", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Interrupted])
def test_an_interrupted_run_is_exit_130(monkeypatch, capsys, interruption):
    def stopped(**_):
        raise interruption

    monkeypatch.setattr(cli.app, "app", stopped)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert "go on" in capsys.readouterr().err
