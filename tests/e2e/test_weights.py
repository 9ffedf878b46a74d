"""Bases whose weights come from files: through the real command, and refused before any work when something is wrong."""

import hashlib

import pytest
import torch

from harness.components import Model
from harness.plugins import registry

BOARD = """\
title: Loaded
dataset: digits
bases:
  loaded:
    weights: {{preset: edm-tiny-8, file: ../w.pt{sha}}}
    sampler: {{name: heun, steps: 3}}
training: {{images: 256, batch: 64}}
methods:
  none:
  mle:
seeds: [0]
evaluation: {{samples: 64, batch: 64}}
floor: {{pairs: 1}}
metrics:
  sliced-w2:
"""


@pytest.fixture
def command(command_here):
    """The command in this process: the board needs no workers."""
    return command_here


@pytest.fixture
def weights(tmp_path):
    """A stand-in for a published file: what an earlier training would have saved."""
    preset = registry().presets["edm-tiny-8"]
    torch.manual_seed(1)
    network = registry().get(Model, preset.model, where="this test").create(preset.config, preset.spec)
    path = tmp_path / "w.pt"
    torch.save({"ema": network.state_dict(), "step": 7}, path)
    return path


def test_a_board_fine_tunes_from_a_file_and_its_key_holds_the_hash(command, weights):
    command.write_board(BOARD.format(sha=""))
    ended = command.run()
    assert ended.returncode == 0, ended.stderr
    none, tuned = command.record("loaded/none/s0"), command.record("loaded/mle/s0")
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert none["weights_read"] == [{"part": "", "table": "ema", "not_read": [], "casts": []}]
    assert "base loaded: " in ended.stderr
    assert "w.pt: the averaged weights 'ema' were read" in ended.stderr
    assert none["pretraining"] == {"weights": [{"part": "", "sha256": sha256}]}
    assert none["weights_sha256"] == none["base_weights_sha256"] == tuned["base_weights_sha256"]
    assert tuned["weights_sha256"] != tuned["base_weights_sha256"]
    # Said in the board, the same hash gives the same keys: nothing runs again.
    command.write_board(BOARD.format(sha=f", sha256: {sha256}"))
    assert "2 done, 0 to run" in command.run("--dry-run").stdout.replace("2 cells: 2 done", "2 done, 0 to run")
    weights.write_bytes(weights.read_bytes() + b"\0")
    again = command.run("--fresh", "method=none")
    assert again.returncode == 2
    assert f"and the board or its preset says {sha256}" in again.stderr


def test_a_file_that_is_absent_or_does_not_fit_ends_the_command_before_any_work(command, weights):
    command.write_board(BOARD.format(sha=""))
    torch.save({"ema": {"model.x": torch.zeros(1)}}, weights)
    unfit = command.run()
    assert unfit.returncode == 2
    assert "1 unexpected: model.x (1)" in unfit.stderr
    planned = command.run("--dry-run")
    assert planned.returncode == 2
    assert planned.stdout.startswith("2 cells: 2 to run")
    assert "1 unexpected: model.x (1)" in planned.stderr
    weights.unlink()
    absent = command.run()
    assert absent.returncode == 2
    assert "w.pt; put it there, or give its path" in absent.stderr
    assert command.run("--dry-run").returncode == 0  # what is absent is a remark: it may still come
    assert not list(command.runs.glob("stages/*"))
