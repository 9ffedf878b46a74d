"""Every board of the repository passes `--smoke`.

The command and its jobs run in this process: starting workers would take longer than the jobs. Each job goes through pickle
all the same, as it does on its way to a worker; one board runs in real workers.
"""

import pickle
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.board.reading.load import load_board
from harness.cli import app as cli
from harness.components import Executor
from harness.errors import UserError
from harness.interfaces import JobEnd
from harness.process import stop
from harness_mnist import images

BOARDS = sorted((Path(__file__).parents[2] / "leaderboards").glob("*/board.yaml"))
OF_FASHION = [board for board in BOARDS if re.search(r"^dataset: .*\bfashion-mnist\b", board.read_text(), re.MULTILINE)]
OF_PAPERS = [board for board in BOARDS if re.search(r"^ *weights: |, weights: ", board.read_text(), re.MULTILINE)]
"""Boards whose bases are published networks: random weights, noise and random features stand in for all of their files."""
OF_SEARCHES = [board for board in BOARDS if board.parent.name.endswith("-search") and board not in OF_FASHION]
SHORT = [
    board
    for board in BOARDS
    if board not in (*OF_PAPERS, *OF_SEARCHES) and (board not in OF_FASHION or board.parent.name == "fashion-mnist-real")
]
"""The other boards of Fashion-MNIST train networks for 28 × 28 pixels, and searches have the networks of their boards and many
rows. They pass in long tests, on any machine."""


def run_pickled(job):
    """Run a copy of the job, as a worker does."""
    copy = pickle.loads(pickle.dumps(job))
    return copy.function(*copy.arguments)


class InThisProcess:
    """An executor that runs one job after the other."""

    def run(self, ready, *, slots):
        queue, ends = [], []
        while (more := ready(ends)) is not None:
            queue += more
            ends = [JobEnd(job, run_pickled(job)) for job in queue[:1]]
            del queue[:1]


@pytest.fixture
def no_workers(monkeypatch):
    """Run jobs in this process."""
    monkeypatch.setattr(Executor, "create", lambda *_: InThisProcess())
    monkeypatch.setattr(stop, "on_signals", lambda: None)  # signals belong to the process of the tests


@pytest.fixture
def stand_ins_of_fashion(tmp_path_factory, monkeypatch):
    """Fashion-MNIST's four files with noise in the place of images, so that its boards run where the dataset is not installed."""
    folder = tmp_path_factory.mktemp("data") / "fashion-mnist"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, n in (("train", 3000), ("t10k", 10_000)):  # enough for what boards ask for: they are checked at their full size
        write_idx(folder / f"{name}-images-idx3-ubyte", generator.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{name}-labels-idx1-ubyte", (np.arange(n) % 10).astype(np.uint8))
    monkeypatch.setenv("HARNESS_DATA", str(folder.parent))
    monkeypatch.setattr(images, "pinned", lambda found, _: found)


def write_idx(path, array):
    """Write an array of unsigned bytes in MNIST's format."""
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def absent_files(board):
    """The message of the board's dataset when this machine lacks its files, else ""."""
    dataset = load_board(board).dataset
    try:
        dataset.component.check_readiness(dataset.settings)
    except UserError as error:
        return str(error)
    return ""


WHOLE = "quickstart"
"""The board whose seeds all run in the fast tests. Another seed is the same code on other numbers."""


def first_seed(board):
    return [] if board.parent.name == WHOLE else ["--seeds", str(load_board(board).seeds[0])]


@pytest.mark.parametrize("board", SHORT, ids=lambda path: path.parent.name)
@pytest.mark.usefixtures("no_workers")
def test_a_board_passes_in_seconds_and_leaves_real_records_alone(board, tmp_path):
    check_smoke(board, tmp_path, *first_seed(board))


@pytest.mark.long
@pytest.mark.parametrize("board", [*SHORT, *OF_SEARCHES], ids=lambda path: path.parent.name)
@pytest.mark.usefixtures("no_workers")
def test_a_board_passes_with_all_seeds(board, tmp_path):
    check_smoke(board, tmp_path)


def check_smoke(board, tmp_path, *arguments):
    real = {path: path.stat().st_mtime_ns for path in board.parent.rglob("*")}
    began = time.process_time()
    ended = CliRunner().invoke(cli.app, ["run", str(board.parent), "--smoke", "--runs-dir", str(tmp_path), *arguments])
    if absent := absent_files(board):
        assert isinstance(ended.exception, UserError)
        assert absent in str(ended.exception)
        pytest.skip(absent)
    assert ended.exit_code == 0, ended.stderr
    assert time.process_time() - began < 90  # on a slow machine
    assert {path.name for path in tmp_path.iterdir()} == {"smoke"}
    assert list(tmp_path.glob("smoke/records/*/*.json"))
    assert {path: path.stat().st_mtime_ns for path in board.parent.rglob("*")} == real


@pytest.fixture
def no_files(tmp_path, monkeypatch):
    """A machine without any file of data or weights, and without a net."""
    for variable in ("HARNESS_DATA", "HARNESS_INCEPTION", "HARNESS_INCEPTION_CLEAN", "HARNESS_DINOV2", "TORCH_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HARNESS_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    monkeypatch.setenv("HARNESS_OFFLINE", "1")


@pytest.mark.parametrize("board", OF_PAPERS, ids=lambda path: path.parent.name)
@pytest.mark.usefixtures("no_files")
def test_a_board_of_published_networks_names_all_files_that_are_absent(board, tmp_path):
    ended = CliRunner().invoke(cli.app, ["run", str(board.parent), "--runs-dir", str(tmp_path / "runs")])
    assert isinstance(ended.exception, UserError)
    published = [base.origin.weights.files[0].path.name for base in load_board(board).bases]
    assert all(name in str(ended.exception) for name in published)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("board", OF_PAPERS, ids=lambda path: path.parent.name)
@pytest.mark.usefixtures("no_workers", "no_files")
def test_a_board_of_published_networks_passes_on_a_machine_without_any_file(board, tmp_path):
    ended = CliRunner().invoke(cli.app, ["run", str(board.parent), "--smoke", "--runs-dir", str(tmp_path / "runs")])
    assert ended.exit_code == 0, ended.stderr
    assert "stand in for" in ended.stderr
    assert "stand-in" in ended.stdout
    assert "diverged" not in ended.stdout  # random weights may give samples of any size
    records = [path for path in tmp_path.glob("runs/smoke/records/*/*.json") if not path.name.startswith("floor__")]
    assert len(records) == len(load_board(board, smoke=True).cells)


OF_FILES = """\
title: Files
dataset: digits
bases:
  published: {weights: {preset: edm-tiny-8, file: absent.pt}, sampler: {name: heun, steps: 2}}
methods: {none: , mle: }
training: {images: 1280}
seeds: [0]
evaluation: {samples: 64}
floor: {pairs: 1}
metrics:
  "kid[inception]": {metric: {name: kid, subset_size: 32}}
smoke: {steps: 2, batch: 16, samples: 16}
"""


@pytest.mark.usefixtures("no_workers", "no_files")
def test_stand_ins_for_weights_and_features_let_a_board_pass_without_its_files(tmp_path):
    (tmp_path / "board.yaml").write_text(OF_FILES)
    ended = CliRunner().invoke(cli.app, ["run", str(tmp_path), "--smoke", "--runs-dir", str(tmp_path / "runs")])
    assert ended.exit_code == 0, ended.stderr
    assert "Random weights of tiny networks stand in for the published ones of published." in ended.stderr
    assert "Random features stand in for those of inception." in ended.stderr
    assert "published, random weights" in ended.stdout
    assert "kid-16[inception], stand-in" in ended.stdout
    refused = CliRunner().invoke(cli.app, ["run", str(tmp_path), "--runs-dir", str(tmp_path / "runs")])
    assert "absent.pt" in str(refused.exception)
    assert "weights-inception-2015-12-05-6726825d.pth" in str(refused.exception)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("board", OF_FASHION, ids=lambda path: path.parent.name)
@pytest.mark.usefixtures("no_workers", "stand_ins_of_fashion")
def test_a_board_of_fashion_mnist_passes_with_stand_ins_for_its_files(board, tmp_path):
    ended = CliRunner().invoke(cli.app, ["run", str(board.parent), "--smoke", "--runs-dir", str(tmp_path)])
    assert ended.exit_code == 0, ended.stderr
    records = [path for path in tmp_path.glob("smoke/records/*/*.json") if not path.name.startswith("floor__")]
    assert len(records) == len(load_board(board, smoke=True).cells)


def test_a_board_of_tokens_passes_in_real_workers(command):
    command.board = BOARDS[0].parents[1] / "digits-tokens"
    ended = command.run("--smoke", "--seeds", "10", "--only", "method=none,mle,mle-maskgit")
    assert ended.returncode == 0, ended.stderr
    assert len(list(command.runs.glob("smoke/records/digits-tokens/*__s10.*.json"))) == 4
