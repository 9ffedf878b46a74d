"""A tiny board of points, and what its stages share."""

import dataclasses

import pytest
import stage_parts

from harness.board.reading.load import load_board
from harness.process import stop
from harness.stages import base as base_stage
from harness.stages import encoding, finetune
from harness.stages.context import Context
from harness.stages.options import JobOptions
from harness.store import manifests
from harness.store.keys import file_sha256
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder

TINY = """\
title: Tiny
dataset: {name: swiss-roll, train_size: 256}
bases:
  small:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 128, batch: 64}}
training: {images: 256, batch: 64}
methods:
  none:
  mle:
seeds: [0, 1]
evaluation: {samples: 30, draws: 2, batch: 16}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


@pytest.fixture(autouse=True)
def _as_new():
    stage_parts.forget()
    stop.clear()
    yield
    stop.clear()


@pytest.fixture
def tiny_text():
    """Text of the tiny board, to be changed."""
    return TINY


@pytest.fixture
def read_board(tmp_path):
    """Write a board and read it."""

    def read(text, name="tiny"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "board.yaml").write_text(text)
        return load_board(tmp_path / name)

    return read


@pytest.fixture
def tiny(read_board):
    return read_board(TINY)


@pytest.fixture
def cells(tiny):
    """The tiny board's cells by name."""
    return {cell.name: cell for cell in tiny.cells}


@pytest.fixture
def new_context(tmp_path):
    """What the stages of a new job in a new process share; the runs folder stays the same."""
    return lambda: Context(RunsFolder(tmp_path / "runs"), JobOptions(device="cpu"), "test")


@pytest.fixture
def context(new_context):
    return new_context()


@pytest.fixture
def source(context, tiny):
    """The tiny board's dataset."""
    return context.dataset(tiny.dataset)


@pytest.fixture
def tune(source, context):
    """Take a cell through the first two stages; returns the output of the second."""

    def run(cell):
        return finetune.run(cell, base_stage.run(cell.base, source, context), source, context)

    return run


@pytest.fixture
def encoder(monkeypatch):
    """The code that made the training data, as of a network in latents whose data another process encoded."""
    code = SourceFacts(component="model encoder", distribution="elsewhere", version="1", commit="", sha256="c" * 64)
    examples = encoding.examples
    monkeypatch.setattr(encoding, "examples", lambda *a, **k: examples(*a, **k)._replace(sources=[code]))
    return code


@pytest.fixture
def hashed(monkeypatch):
    """The files whose content is compared with a hash, or hashed when they are written, as STAGE/NAME."""
    files = []
    monkeypatch.setattr(
        manifests, "file_sha256", lambda path: files.append(f"{path.parent.parent.name}/{path.name}") or file_sha256(path)
    )
    return files


@pytest.fixture
def with_sampler():
    """A cell or base with another sampler, out of tests/fakes/stage_parts.py."""

    def change(part, cls, **fields):
        if hasattr(part, "row"):
            return dataclasses.replace(part, row=dataclasses.replace(part.row, base=change(part.base, cls, **fields)))
        return dataclasses.replace(part, origin=dataclasses.replace(part.origin, sampler=stage_parts.sampler(cls, **fields)))

    return change
