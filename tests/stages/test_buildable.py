"""Whether a base's network can be built is known before any work, in one line, whatever its plugin raises."""

import pytest
import torch

from harness.interfaces import DataSpec
from harness.stages.buildable import build_fault

BOARD = """\
title: Built
dataset: digits
bases:
  made:
    model: {name: edm-unet, model_channels: 8, channel_mult: [1], attn_resolutions: []}
    pretrain: {method: mle, training: {images: 64, batch: 32}}
methods: {none: }
seeds: [0]
evaluation: {samples: 16, batch: 16}
metrics: {sliced-w2: }
"""
DIGITS = DataSpec((1, 8, 8), classes=10, preview="images")


@pytest.fixture
def base(read_board):
    (base,) = read_board(BOARD).bases
    return base


@pytest.fixture
def build(monkeypatch):
    """Let the network be built by another function."""

    def use(function):
        monkeypatch.setattr("harness_edm.unet.build", function)

    return use


def test_a_network_that_can_be_built_has_no_fault_and_leaves_the_random_numbers(base):
    before = torch.get_rng_state()
    assert build_fault(base, DIGITS) is None
    assert torch.get_rng_state().equal(before)


def test_what_a_plugin_raises_is_one_line_with_the_base_and_the_data(base, build):
    def fails(config, spec):
        raise ValueError("num_channels (144) must be divisible\nby num_groups (32)")

    build(fails)
    assert build_fault(base, DIGITS) == (
        "base made: model edm-unet cannot be built with these settings on data of shape (1, 8, 8): "
        "ValueError: num_channels (144) must be divisible\\nby num_groups (32)"
    )


def test_a_network_whose_code_needs_values_is_no_fault(base, build):
    def reads_a_value(config, spec):
        return torch.nn.Linear(int(torch.ones(1).sum().item()), 1)

    build(reads_a_value)
    assert build_fault(base, DIGITS) is None
    with pytest.raises(RuntimeError), torch.device("meta"):
        reads_a_value(None, DIGITS)
