"""Sites of fake boards, and of the committed ones."""

from __future__ import annotations

import pytest
from board_fixtures import fake_record
from html_pages import read_page

from harness.report.render import render_published
from harness.site.site import site_of
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import save_record


@pytest.fixture(autouse=True)
def files_stay_in_memory(monkeypatch):
    """Records are small and many: syncing each to the disk would take most of the time of these tests."""
    monkeypatch.setattr("harness.store.files._sync", lambda _: None)


@pytest.fixture
def rendered(board, publish_records):
    """The standard board of fakes, all done."""
    publish_records(board)
    return render_published(board)


@pytest.fixture
def files(rendered):
    """The site of the standard board."""
    return site_of([rendered]).files


@pytest.fixture
def page(files):
    return read_page(files["rings/index.html"])


@pytest.fixture
def change_record():
    """Publishes the record of one cell anew with other fields."""

    def change(board, cell_name, **fields):
        cell = next(cell for cell in board.cells if cell.name == cell_name)
        save_record(fake_record(cell, **fields), BoardFolder(board.folder).record(RecordName("cell", cell_name)))

    return change
