"""Bases of a board. Each origin has a reader, which makes a Base of an entry of `bases`, or one for each of its seeds."""

from __future__ import annotations

from harness.board.bases import Base
from harness.board.components import Resolved
from harness.board.reading.base_entry import BaseEntry
from harness.board.reading.example_bases import read_examples
from harness.board.reading.loaded_bases import read_loaded
from harness.board.reading.pretrained_bases import read_pretrained
from harness.board.reading.reader import BoardReader
from harness.board.schema import BaseConfig, BoardConfig
from harness.components import Dataset


def read_base(
    reader: BoardReader, board: BoardConfig, name: str, config: BaseConfig, dataset: Resolved[Dataset] | None
) -> tuple[Base, ...]:
    """Read an entry of `bases`. Returns: the base, or one for each of its seeds; empty after a fault that leaves no base.

    Args:
        dataset: the board's dataset; None after a fault in it.
    """
    entry = BaseEntry(name, config, dataset)
    if config.data is not None:
        return _one(read_examples(reader, entry, config.data))
    if config.weights is not None:
        return _one(read_loaded(reader, entry, config.weights))
    assert config.pretrain is not None  # BaseConfig sees to it
    return read_pretrained(reader, board, entry, config.pretrain)


def check_labels(reader: BoardReader, board: BoardConfig) -> None:
    """Add a fault for each base that tables and plots would call like another one."""
    first_names: dict[str, str] = {}
    for name, config in board.bases.items():
        base = BaseEntry(name, config, None)
        if (first := first_names.setdefault(base.label, name)) != name:
            text = f"the bases {first!r} and {name!r} are both called {base.label!r} in tables; give one of them another `label`"
            reader.add_fault(base.at(), text)  # a label that YAML merges in stands on the line of another base


def _one(base: Base | None) -> tuple[Base, ...]:
    return () if base is None else (base,)
