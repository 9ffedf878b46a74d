"""Records whose code was edited since they were made. Such a record is a question, not a fault: most edits move no number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.board.board import Board
from harness.stages import sources
from harness.stages.current_records import current_floor
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Change:
    """A component whose code is now another than the code that made a record.

    Args:
        recorded: what the record holds of the component.
        installed: hash of the code as it is now.
    """

    recorded: SourceFacts
    installed: str

    @property
    def without_commit(self) -> Change:
        """The change without the commit that the record names: equal code is the same code in every commit."""
        return Change(self.recorded.model_copy(update={"commit": ""}), self.installed)


def changes(recorded: Iterable[SourceFacts]) -> tuple[Change, ...]:
    """Return what was edited since a record was made; nothing for a record that has no hashes, or for code that is gone."""
    pairs = [(facts, sources.installed(facts.component)) for facts in recorded]
    return tuple(Change(facts, now.sha256) for facts, now in pairs if now is not None and sources.differ(facts, now))


def floor_changes(board: Board, runs: RunsFolder) -> dict[str, tuple[Change, ...]]:
    """Return what was edited since each of the board's floors was measured, by the name of the floor: `floor w2`."""
    found: dict[str, tuple[Change, ...]] = {}
    for floor in board.floors:
        record = current_floor(board.name, floor, runs)
        if record is not None and (changed := changes(record.sources)):
            found[f"floor {floor.name}"] = changed
    return found
