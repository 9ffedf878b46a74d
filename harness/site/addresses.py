"""Where the files of a site are, relative to the folder of their board."""

from __future__ import annotations

from urllib.parse import quote

from harness.store.record_names import RecordName

INDEX = "index.html"
RECORDS = "records"


def record_file(cell: str) -> str:
    """Return the file of the page of a cell's record."""
    return f"{RECORDS}/{RecordName('cell', cell).file_stem}.html"


def record_page(cell: str) -> str:
    """Return the address of that page, as it stands in a link."""
    return quote(record_file(cell))
