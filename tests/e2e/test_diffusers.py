"""A board with a network of diffusers: pretrained, fine-tuned, sampled by its chain and by DPM-Solver++, and measured."""

import pytest

pytest.importorskip("diffusers")

BOARD = """
title: U-Nets of diffusers
dataset: digits
bases:
  ancestral: &base
    model: {name: diffusers-unet, block_out_channels: [8, 16], sampling_steps: 4}
    pretrain: {method: mle, training: {images: 256, batch: 32}}
  solver:
    <<: *base
    sampler: {name: dpm-solver++-chain, steps: 5}
training: {images: 128, batch: 32}
methods:
  none:
  mle:
  ddo: {method: {name: ddo, bank_size: 64}}
seeds: [0]
evaluation: {samples: 32, draws: 1, batch: 16}
floor: {pairs: 1}
metrics:
  sliced-w2:
"""


@pytest.fixture
def command(command_here):
    """The command in this process: the board needs no workers."""
    return command_here


def test_a_network_of_diffusers_runs_from_a_board(command):
    command.write_board(BOARD)
    ended = command.run()
    assert ended.returncode == 0, ended.stderr
    records = {(one["base"], one["method"]): one for one in command.records().values() if "metrics" in one}
    assert {method for _, method in records} == {"none", "mle", "ddo"}
    assert {one["status"] for one in records.values()} == {"done"}
    assert {base: one["costs"]["nfe"] for (base, _), one in records.items()} == {"ancestral": 4, "solver": 5}
