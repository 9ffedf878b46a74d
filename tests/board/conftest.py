"""Boards of images, from fake components that have checks, presets, and settings that name bases."""

from importlib.metadata import EntryPoint

import pytest
from board_faults import faults_of

from harness.board.reading.load import load_board
from harness.plugins import Registry

GRIDS = """\
title: Grids
dataset: grid
bases:
  net: {model: unet, pretrain: {method: parts, training: {images: 256}}}
methods: {none: }
seeds: [0]
evaluation: {samples: 100}
metrics: {"gap[edges]": }
"""


@pytest.fixture
def grid_plugins():
    modules = ("harness_fake", "harness_fake_grids")
    return Registry([EntryPoint(module.removeprefix("harness_"), module, "harness") for module in modules])


@pytest.fixture
def grids(write_board, grid_plugins):
    """Loads the board of images with changes, pairs of an old and a new part of its text."""

    def load(*changes, **options):
        return load_board(write_board(changed(changes), "grids"), plugins=grid_plugins, **options)

    return load


@pytest.fixture
def grid_faults(write_board, grid_plugins):
    """The faults of the board of images with changes."""

    def faults(*changes, **options):
        return faults_of(write_board(changed(changes), "grids"), grid_plugins, **options)

    return faults


def changed(changes):
    text = GRIDS
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
