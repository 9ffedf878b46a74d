"""An entry of `bases`, together with the board's dataset. The reader of each origin takes one."""

from __future__ import annotations

from dataclasses import dataclass

from harness.board.components import Resolved
from harness.board.reading.yaml_file import Location
from harness.board.schema import BaseConfig
from harness.components import Dataset


@dataclass(frozen=True)
class BaseEntry:
    """An entry of `bases`.

    Args:
        dataset: the board's dataset; None after a fault in it.
    """

    name: str
    config: BaseConfig
    dataset: Resolved[Dataset] | None

    @property
    def label(self) -> str:
        """Name of the base in tables."""
        return self.config.label or self.name

    def at(self, *keys: str | int) -> Location:
        """Return where the keys below the entry stand in the file."""
        return ("bases", self.name, *keys)
