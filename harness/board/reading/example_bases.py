"""Bases of examples: a dataset in the place of a model."""

from __future__ import annotations

from harness.board.bases import Base, Examples
from harness.board.reading.base_entry import BaseEntry
from harness.board.reading.data_fit import spec_of
from harness.board.reading.reader import BoardReader
from harness.board.schema import ComponentEntry
from harness.components import Dataset


def read_examples(reader: BoardReader, base: BaseEntry, data: ComponentEntry) -> Base | None:
    """Read a base with `data`. Returns: None after a fault in its dataset or the board's."""
    examples, dataset = reader.resolve(Dataset, data, base.at("data")), base.dataset
    if examples is None or dataset is None:
        return None
    own_spec, board_spec = spec_of(examples), spec_of(dataset)
    if own_spec is not None and board_spec is not None and own_spec.shape != board_spec.shape:
        text = f"examples of {examples.name} have the shape {own_spec.shape}, those of {dataset.name} {board_spec.shape}"
        reader.add_fault(base.at("data"), text)
    return Base(base.name, base.label, dataset, Examples(examples))
