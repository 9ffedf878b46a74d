"""Rehearsals: networks at full size without memory, compared with what is published."""

from pathlib import Path

import pytest
import torch

from harness.board.reading.load import load_board
from harness.run import rehearsal
from harness.run.needs import Needs
from harness.run.rehearsal import rehearse
from harness.stages.meta_task import network_on_meta

CIFAR10 = Path(__file__).parents[2] / "leaderboards" / "cifar10"


@pytest.fixture(scope="module")
def board():
    return load_board(CIFAR10)


def rehearsed(board):
    needs = Needs(board, board.cells, ())
    assert needs.known_data is not None
    return rehearse(needs.bases, needs.known_data)


def test_published_networks_have_the_published_names(board):
    found = rehearsed(board)
    assert found.faults == ()
    assert "edm: the network has 55,733,891 parameters, with the published names and shapes" in found.lines
    assert "edm-ddo: the network has 55,733,891 parameters, with the published names and shapes of its base's file" in found.lines
    assert [line.partition(":")[0] for line in found.lines] == ["edm", "edm-ddo", "edm-neon"]


def test_another_number_of_parameters_than_is_published_is_a_fault(board, monkeypatch):
    def narrower(*_):
        return torch.nn.Linear(6, 1), None

    monkeypatch.setattr(rehearsal, "network_on_meta", narrower)
    assert "base edm: has 7 parameters, and 55,733,891 are published" in rehearsed(board).faults


def test_another_name_than_is_published_is_a_fault(board, monkeypatch):
    def renamed(*arguments):
        network, spec = network_on_meta(*arguments)
        network.model.map_layer2 = network.model.map_layer1
        del network.model.map_layer1
        return network, spec

    monkeypatch.setattr(rehearsal, "network_on_meta", renamed)
    (fault, *_) = rehearsed(board).faults
    assert fault.startswith("base edm: edm-cifar10-32x32-uncond-vp.json.gz: not of this edm-unet: 2 missing: model.map_layer2")


def test_a_network_that_cannot_be_built_is_a_fault(board, monkeypatch):
    def fails(*_):
        raise ValueError("no such width")

    monkeypatch.setattr(rehearsal, "network_on_meta", fails)
    assert "base edm: the network cannot be built: ValueError: no such width" in rehearsed(board).faults


SIZES = """\
title: Own sizes
dataset: cifar10
bases:
  own:
    weights: {preset: edm-cifar10-uncond-vp, file: own.pkl}
    model: {name: edm-unet, model_channels: 64}
    sampler: heun
methods: {none: {}}
seeds: [0]
evaluation: {samples: 5000}
metrics: {"fid[inception-nvidia]": {}}
"""


@pytest.fixture
def own(tmp_path):
    def read(*changes):
        text = SIZES
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "board.yaml").write_text(text)
        return rehearsed(load_board(tmp_path))

    return read


def test_a_file_of_the_boards_own_may_be_of_another_size_than_the_presets(own):
    found = own()
    assert found.faults == ()
    (line,) = found.lines
    assert line.endswith("; the board's own file must hold it, which is not edm-cifar10-uncond-vp as published")


def test_a_file_of_the_boards_own_that_changes_nothing_is_compared(own):
    (line,) = own(("    model: {name: edm-unet, model_channels: 64}\n", "")).lines
    assert line.endswith("parameters, with the published names and shapes")


def test_the_published_file_does_not_fit_another_size(own):
    (fault,) = own(("{preset: edm-cifar10-uncond-vp, file: own.pkl}", "edm-cifar10-uncond-vp")).faults
    assert "55,733,891 are published" in fault


def test_labels_without_values_are_no_fault_of_a_token_model():
    board = load_board(CIFAR10.parent / "imagenet256-ar")
    cells = [cell for cell in board.cells if cell.base.name in ("var-d16", "maskgit")]
    needs = Needs(board, tuple(cells), ())
    assert needs.known_data is not None
    found = rehearse(needs.bases, needs.known_data)
    assert found.faults == ()
