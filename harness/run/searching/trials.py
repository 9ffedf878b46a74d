"""The trials of a study, as far as it came: one file in the runs folder, written whole whenever a batch is asked or over.

Settings are chosen by these values, so the file has a checksum, and the name of its study inside.

A killed search loses nothing: the trials that were running stand in the file with their settings, and what their cells made is
found again by key.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.board.search_settings import Value
from harness.errors import UserError
from harness.store.files import Damage, reading, write_text
from harness.store.reading import read_bytes
from harness.store.seal import seal_fault, sealed

End = Literal["running", "done", "stopped", "diverged", "failed"]


class CellCost(BaseModel):
    """The cost of one cell of a trial: training images, examples through networks, seconds."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    images: int
    network_evaluations: int
    seconds: float


class Trial(BaseModel):
    """A point, and what became of it.

    Args:
        together: how many trials were asked at once, this one included.
        end: `running` until its batch is over; `stopped` where better ones went on to a larger budget.
        values: the mean over seeds on each rung that the trial came to, the smallest budget first.
        cells: the cost of each of its cells by the cell's key.
        reason: why it diverged or failed.
        kept_base: whether selection kept the base's weights on every seed, on the last rung that the trial came to.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    number: int
    point: dict[str, Value]
    together: int = 1
    end: End = "running"
    values: list[float] = []
    cells: dict[str, CellCost] = {}
    reason: str = ""
    kept_base: bool = False


class TrialFile:
    """The trials of one study in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials: list[Trial] = _read(path)

    @property
    def waiting(self) -> list[Trial]:
        """The trials that are to run: those of a killed search, and failed ones, which are tried again."""
        return [trial for trial in self.trials if trial.end in ("running", "failed")]

    def add(self, trials: list[Trial]) -> None:
        """Add new trials, before they run. Raises: StorageError."""
        self.trials += trials
        self._write()

    def replace(self, trials: list[Trial]) -> None:
        """Replace trials by what became of them. Raises: StorageError."""
        by_number = {trial.number: trial for trial in trials}
        self.trials = [by_number.get(trial.number, trial) for trial in self.trials]
        self._write()

    def _write(self) -> None:
        trials = [trial.model_dump(mode="json") for trial in self.trials]
        write_text(self.path, sealed({"schema_version": 1, "study": self.path.stem, "trials": trials}))


def _read(path: Path) -> list[Trial]:
    """Return the trials of a file, none where there is no file. Raises: UserError for one that was edited or damaged."""
    try:
        with reading(path):
            content = read_bytes(path)
    except Damage:
        return []
    if (fault := seal_fault(content, "file of trials")) is None:
        try:
            found = json.loads(content)
            if found["study"] == path.stem:
                return [Trial.model_validate(trial) for trial in found["trials"]]
            fault = f"it is of another study, {found['study']}"
        except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
            fault = "not of this version"
    raise UserError(f"{path}: {fault}; delete the file: the search then begins anew, and what its cells made is found again")
