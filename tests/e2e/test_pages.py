"""Pages of a board that stands outside of leaderboards/, has texts that look like markup, and lacks seeds."""

import re
import shutil

import pytest

BOARD = """\
title: Rolls <b>at</b> $5
description: See [the notes](notes/settings.md).
dataset: {name: swiss-roll, train_size: 200}
bases:
  small:
    label: "$x$ | <i>"
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
training: {images: 64, batch: 16}
methods:
  none:
  mle: {label: "*MLE*", method: {name: mle, optimizer: {lr: 1.0e-4}}}
seeds: [0, 1]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


@pytest.fixture
def command(command_here):
    """The command in this process: the board needs no workers."""
    return command_here


@pytest.fixture
def page(command):
    """Runs some cells of the board; returns the command, what the run printed, and the page that it wrote."""
    (command.board.parent / "pyproject.toml").touch()
    command.write_board(BOARD, "rolls")
    (command.board / "notes").mkdir()
    (command.board / "notes" / "settings.md").touch()
    ended = command.run("--only", "method=none", "--only", "seed=0,1")
    assert ended.returncode == 0, ended.stderr
    return command, ended, command.runs / "boards" / "rolls" / "README.md"


def results(text):
    return text.partition("## Results")[2].partition("Mean ±")[0]


def test_a_board_reads_rightly_from_its_first_run_to_its_published_page(page):
    command, ended, file = page
    text = file.read_text()
    assert "| \\$x\\$ \\| &lt;i>" in ended.stdout
    assert "# Rolls &lt;b>at&lt;/b> \\$5\n" in text
    assert r"\*MLE\*" in text
    # A complete row is not the best while the other has no seed.
    assert "**" not in results(text)
    assert "No figure is bold while 2 seeds are missing" in text
    # A link of the description leads to the file beside board.yaml, from the runs folder too.
    target = re.search(r"\[the notes\]\((.*?)\)", text)[1]
    assert (file.parent / target).resolve() == command.board / "notes" / "settings.md"
    # What the optimiser is stands on the page though the board does not name it.
    assert "optimizer: {name: rmsprop, lr: 0.0001, weight\\_decay: 0.0, clip: 1.0" in text

    assert command.run().returncode == 0
    published = command.call("publish", str(command.board), "--runs-dir", str(command.runs))
    assert published.returncode == 0, published.stderr
    text = (command.board / "README.md").read_text()
    assert results(text).count("**") == 4  # both rows: two seeds do not tell them apart
    assert "Made by `harness run rolls`, then `harness publish rolls`." in text
    assert "[the notes](notes/settings.md)" in text
    assert command.call("render", "--check", str(command.board)).returncode == 0
    latex = command.call("render", "--format", "latex", str(command.board)).stdout
    assert latex.startswith("% needs \\usepackage{booktabs}\n")
    assert r"\$x\$ \textbar{} \textless{}i\textgreater{}" in latex
    csv = command.call("render", "--format", "csv", str(command.board)).stdout.splitlines()
    assert ",2,2,2," in csv[2]  # n, seeds and done are whole numbers

    # The same board under another name is told of its records.
    shutil.copytree(command.board, command.board.with_name("moved"))
    status = command.call("status", str(command.board.with_name("moved")), "--runs-dir", str(command.runs)).stdout
    assert f"records of 4 cells exist under the board rolls in {command.runs}/records/rolls" in status
    assert "--keep-published` takes them over" in status
