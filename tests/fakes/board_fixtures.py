"""Fixtures: boards of fake components, and records for their cells."""

from __future__ import annotations

import textwrap
from importlib.metadata import EntryPoint

import pytest

from harness.board.reading.load import load_board
from harness.plugins import Registry
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import ComponentFacts, Costs, CurvePoint, FloorRecord, Measured, Record, save_record

BOARD = """\
title: Rings
dataset: ring
bases:
  net: {label: Net, model: net, pretrain: {method: fit, training: {images: 1280}}}
  chain: {label: Chain, model: chain, pretrain: {method: fit, training: {images: 1280}}}
methods:
  none: {label: base}
  fit: {label: more of it, note: the control}
  tune:
training: {images: 1280}
seeds: [0, 1, 2]
evaluation: {samples: 100, draws: 2}
floor: {pairs: 4}
metrics:
  distance: {shown_in: 1.0e-2}
  likeness: {digits: 3}
curve: {metric: distance, points: 4, samples: 100}
"""

DATA_BOARD = """\
title: Faults
dataset: ring
bases:
  good: {label: as good, data: ring}
  bad: {label: worse, data: ring}
methods: {none: {}}
seeds: [0, 1]
evaluation: {sizes: [200, 100], draws: 2}
floor: {pairs: 4}
metrics:
  distance: {show: [mean, minimum]}
  likeness: {ranks: false}
"""
"""Data in the place of models, at two numbers of samples."""


SAMPLERS = """\
{plain: {name: draw, label: Plain}, walking: walk, push: {name: push, label: Push, sweep: {weight: [0, 0.5, 2]}}}"""
SAMPLER_BOARD = BOARD.replace("draws: 2}", f"draws: 2, samplers: {SAMPLERS}}}")
"""The standard board with several samplers; `walk` cannot draw from `net`."""


@pytest.fixture
def fake_plugins():
    return Registry([EntryPoint("fake", "harness_fake", "harness")])


@pytest.fixture
def write_board(tmp_path):
    """Writes a board.yaml, by default of two bases × three methods × three seeds; returns its folder."""

    def write(text=BOARD, name="rings"):
        folder = tmp_path / "leaderboards" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "board.yaml").write_text(textwrap.dedent(text))
        return folder

    return write


@pytest.fixture
def board(write_board, fake_plugins):
    return load_board(write_board(), plugins=fake_plugins)


@pytest.fixture
def make_record():
    """A record that is current for its cell; it is better for later methods and worse for higher seeds."""
    return fake_record


@pytest.fixture
def make_floor():
    return fake_floor


@pytest.fixture
def publish_records():
    """Writes a record for each cell that can run, and the floors, into the board's results; returns that folder.

    Metrics of a done cell that a test gives may be those of some columns, and have one value for all draws.
    """

    def publish(board, cells=None, **fields):
        folder = BoardFolder(board.folder)
        for cell in board.cells if cells is None else cells:
            if cell.skip_reason is None:
                save_record(fake_record(cell, **_on_all_draws(cell, fields)), folder.record(RecordName("cell", cell.name)))
        for floor in board.floors:
            save_record(fake_floor(board, floor), folder.record(RecordName("floor", floor.name)))
        return folder.results

    return publish


@pytest.fixture
def run_records():
    """As `publish_records`, into a runs folder's runs."""

    def run(board, runs, cells=None, **fields):
        for cell in board.cells if cells is None else cells:
            if cell.skip_reason is None:
                record = fake_record(cell, **_on_all_draws(cell, fields))
                save_record(record, runs.record(board.name, cell.name, cell.key))
        for floor in board.floors:
            save_record(fake_floor(board, floor), runs.floor(board.name, floor.name, floor.key))

    return run


def fake_record(cell, **fields):
    facts = ComponentFacts(name="x", version="1/1", settings={})
    order = ["none", "fit", "tune"].index(cell.method_name) if cell.method_name in ("none", "fit", "tune") else 0
    # Seed 1 is worse for later methods: differences of rows that were equal on all seeds would have no spread to test them by.
    base = 0.05 / (1 + order) + 0.001 * cell.seed + 0.0001 * order * (cell.seed == 1)
    trained = {"images_seen": cell.training.images, "steps": 10, "seconds_finetune": 3.2} if cell.trains else {}
    standard = dict(  # noqa: C408, as the call that it becomes
        board=cell.board, protocol=cell.protocol, base=cell.base.name, method=cell.method_name, seed=cell.seed,
        key=cell.key, status="done", is_smoke=cell.is_smoke, size=cell.row.size, sampler_name=cell.row.sampler_name,
        model=facts, sampler=facts, finetuning=facts, dataset=facts,
        metrics={m.name: Measured(values=_around(base, m.draws), seconds=0.5) for m in cell.columns},
        curve=[CurvePoint(images=i * 320, value=base * (1 + 1 / (1 + i))) for i in range(5)] if cell.trains else [],
        costs=Costs(nfe=10, network_evaluations=12_800, seconds_sample=0.4, peak_memory_bytes=300_000_000, **trained),
        parameters=50_178, weights_sha256="a" * 64, samples_sha256=f"samples-{cell.name}", base_weights_sha256="b" * 64,
        dataset_fingerprint="ring-1", environment={"python": "3.11.7", "torch": "2.4.0", "cpu_threads": 1},
        created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return Record(**{**standard, **fields})


def _on_all_draws(cell, fields):
    if fields.get("status", "done") != "done" or "metrics" not in fields:
        return fields
    given = {name: Measured.model_validate(measured) for name, measured in fields["metrics"].items()}
    measured = {column.name: given.get(column.name, Measured(values=[0.5])) for column in cell.columns}
    draws = {column.name: column.draws for column in cell.columns}
    whole = {
        name: each.model_copy(update={"values": each.values * draws[name] if len(each.values) == 1 else each.values})
        for name, each in measured.items()
    }
    return {**fields, "metrics": whole}


def _around(base, draws):
    return [base + (0.001 if draw % 2 else -0.001) for draw in range(draws)]


def fake_floor(board, floor):
    values = [[0.010, 0.012, 0.014, 0.012][pair % 4] for pair in range(floor.pairs)]
    facts = {"is_smoke": board.is_smoke, "dataset_fingerprint": "ring-1"}
    return FloorRecord(board=board.name, metric=floor.column.name, key=floor.key, values=values, **facts)
