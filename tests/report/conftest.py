"""Boards for reports: of data in the place of models, and of images; tables, columns and rows of the standard board."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
from board_fixtures import BOARD, DATA_BOARD, SAMPLER_BOARD, fake_record

from harness.board.reading.load import load_board
from harness.plugins import Registry
from harness.report.collect import collect_published
from harness.report.publish import plan
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.store import outputs
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import Measured, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture(autouse=True)
def files_stay_in_memory(monkeypatch):
    """Records are small and many: syncing each to the disk would take most of the time of these tests."""
    monkeypatch.setattr("harness.store.files._sync", lambda _: None)


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def train_base(runs):
    """Writes the output of a base's pretraining, with weights of this hash, into the runs folder or another one; returns it."""

    def train(board, name, sha256, *, seed=None, runs=runs):
        base = next(base for base in board.bases if (base.name, base.paired_seed) == (name, seed))

        def make(folder):
            (folder / "weights.safetensors").write_text(sha256)
            return {"weights_sha256": sha256, "parameters": 5, "seconds": 12.5}

        return outputs.once(runs, "base", base.key, make)

    return train


@pytest.fixture
def bases_folder(board):
    """The folder of the standard board's published bases."""
    return board.folder / "bases"


@pytest.fixture
def publish_bases(board, runs):
    """Publishes the board, with its bases unless a test says otherwise; returns the plan for the bases."""

    def publish(*, bases=True, of=board):
        publication = plan(of, runs, bases=bases)
        publication.apply()
        return publication.bases

    return publish


@pytest.fixture
def load(write_board, fake_plugins):
    """Loads the standard board with parts of its text replaced."""

    def load(*changes, text=BOARD, **options):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return load_board(write_board(text), plugins=fake_plugins, **options)

    return load


@pytest.fixture
def image_board(write_board):
    """The standard board on images of one channel, or of several."""
    entries = [EntryPoint("fake", "harness_fake", "harness"), EntryPoint("images", "harness_fake_images", "harness")]

    def load(channels=1):
        text = BOARD.replace("dataset: ring", f"dataset: {{name: shades, channels: {channels}}}")
        return load_board(write_board(text), plugins=Registry(entries))

    return load


@pytest.fixture
def collection(board, publish_records):
    """The standard board's records, all done."""
    publish_records(board)
    return collect_published(board)


@pytest.fixture
def table(collection):
    return Table.from_collection(collection)


@pytest.fixture
def sampler_collection(load, publish_records):
    """The records of a board with several samplers, all done; `walking` cannot draw from the first base."""
    board = load(text=SAMPLER_BOARD)
    publish_records(board)
    return collect_published(board)


@pytest.fixture
def sampler_table(sampler_collection):
    return Table.from_collection(sampler_collection)


@pytest.fixture
def data_board(load):
    return load(text=DATA_BOARD)


@pytest.fixture
def data_table(data_board, publish_records):
    """The table of the data board: `good` is at the floor, `bad` far above it."""
    folder = BoardFolder(data_board.folder)
    publish_records(data_board, [])
    for cell in data_board.cells:
        distances = {"good": [0.012, 0.013], "bad": [0.05, 0.07]}[cell.base.name]
        metrics = {"distance": Measured(values=distances), "likeness": Measured(values=[0.5, 0.5])}
        save_record(fake_record(cell, metrics=metrics), folder.record(RecordName("cell", cell.name)))
    return Table.from_collection(collect_published(data_board))


@pytest.fixture
def column(board):
    """Returns a column of the standard board, `distance` or `likeness`, with changes of its entry in the board."""

    def column(name="distance", **changes):
        found = next(column for column in board.columns if column.name == name)
        return replace(found, config=found.config.model_copy(update=changes))

    return column


@pytest.fixture
def make_row():
    """Makes a row of the table whose three seeds are all done."""

    def make(**fields):
        row = TableRow(
            base="net",
            method="fit",
            base_label="Net",
            method_label="fit",
            scores={},
            seeds=3,
            done=3,
            nfe=None,
            parameters=None,
            images_seen=None,
            seconds=None,
            notes=(),
        )
        return replace(row, **fields)

    return make
