"""Write a table of results as CSV, JSON or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.store.files import appearing, storage

if TYPE_CHECKING:
    import pandas

INSTALL_PARQUET = 'pip install "finetune-harness[parquet]"'


def as_csv(table: pandas.DataFrame) -> str:
    """Return lines of comma-separated values; absent values are empty, and floats have all their digits."""
    return str(table.to_csv(index=False, lineterminator="\n"))


def as_json(table: pandas.DataFrame) -> str:
    """Return a list of objects, one for each row, without the columns that are absent in it; floats have all their digits."""
    rows = [{name: _plain(value) for name, value in row.items() if not _is_absent(value)} for row in table.to_dict("records")]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


TEXT_FORMATS: Mapping[str, Callable[[pandas.DataFrame], str]] = {"csv": as_csv, "json": as_json}
FORMATS = (*TEXT_FORMATS, "parquet")


def check_parquet() -> None:
    """Raises: UserError where pyarrow is absent."""
    if find_spec("pyarrow") is None:
        raise UserError(f"--format parquet: needs pyarrow: {INSTALL_PARQUET}")


def write(table: pandas.DataFrame, path: Path, form: str) -> None:
    """Write a table into a file, whole or not at all. form: one of FORMATS. Raises: UserError without pyarrow; StorageError."""
    if form == "parquet":
        check_parquet()
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path) as scratch:
        if form == "parquet":
            table.to_parquet(scratch, index=False, engine="pyarrow")
        else:
            scratch.write_text(TEXT_FORMATS[form](table), encoding="utf-8")


def _is_absent(value: object) -> bool:
    import pandas

    return value is None or value is pandas.NA or value is pandas.NaT or value != value


def _plain(value: object) -> object:
    import pandas

    return value.isoformat() if isinstance(value, pandas.Timestamp) else value
