"""A record with its file, and whether it is current."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.store.records import FloorRecord, Record

Origin = Literal["published", "run"]


@dataclass(frozen=True)
class FoundRecord:
    """A record, where it is, and whether it is current; `is_current` is None where no board was read."""

    record: Record | FloorRecord
    file: Path
    origin: Origin
    is_current: bool | None


def name_of(record: Record | FloorRecord) -> tuple[str, str]:
    """Return the name and the key of a record's cell or floor. Floors of several sizes have one name and keys of their own."""
    return (record.cell if isinstance(record, Record) else f"floor {record.metric}", record.key)
