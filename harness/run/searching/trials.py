"""The trials of a study, as far as it came: one file in the runs folder, written whole whenever a batch is asked or over.

A killed search loses nothing: the trials that were running stand in the file with their settings, and what their cells made is
found again by key. For the same reason a search begins anew where nothing vouches for its file.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.board.search_settings import Value
from harness.errors import EndsTheRun
from harness.store.files import Damage, reading, set_aside, write_text
from harness.store.reading import read_bytes
from harness.store.seal import seal_fault, sealed

log = logging.getLogger(__name__)
SCHEMA = 2
"""Version of the format. Files of version 1 had no seal."""
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
    """The trials of one study in a file.

    A file that is damaged, or that an older version wrote without a checksum, has no trials, and a warning says so. It is renamed
    when the first new trials are written: reading alone, as for a dry run, changes nothing. So it is with the file of another
    study, whose name stands in the content too: a copy would bring values of other settings.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, where there is one. Raises: StorageError; EndsTheRun for a file of a newer harness."""
        self.path = path
        self.trials: list[Trial] = []
        self._set_aside_as: Literal["damaged", "replaced"] | None = None
        try:
            with reading(path):
                content = read_bytes(path)
        except Damage:  # absent
            return
        if _is_of_version_1(content):
            self._pass_over("replaced", "has no checksum (an older version wrote it)")
            return
        try:
            self.trials = _trials(content, path)
        except Damage as damage:
            self._pass_over("damaged", f"is damaged ({damage})")

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

    def _pass_over(self, name: Literal["damaged", "replaced"], fault: str) -> None:
        self._set_aside_as = name
        log.warning(
            "%s %s: its trials count for nothing. The search sets it aside as %s.%s-… and begins anew; what its cells made is "
            "found again",
            self.path,
            fault,
            self.path.name,
            name,
        )

    def _write(self) -> None:
        if self._set_aside_as is not None:
            set_aside(self.path, self._set_aside_as)
            self._set_aside_as = None
        content = {
            "schema_version": SCHEMA,
            "study": self.path.stem,
            "trials": [trial.model_dump(mode="json") for trial in self.trials],
        }
        write_text(self.path, sealed(content))


def _is_of_version_1(content: bytes) -> bool:
    """Return whether a file is one of version 1, whole: a sealed file has more entries than it had."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == {"schema_version", "trials"} and found["schema_version"] == 1


def _trials(content: bytes, path: Path) -> list[Trial]:
    """Return the trials in a sealed file. Raises: Damage; EndsTheRun for a file of a newer harness."""
    if (fault := seal_fault(content, "file of trials")) is not None:
        raise Damage(fault)
    found = json.loads(content)
    schema = found.get("schema_version")
    if type(schema) is not int:
        raise Damage("no number of its format")
    if schema > SCHEMA:
        raise EndsTheRun(f"{path}: written by a newer harness (schema {schema}, known: {SCHEMA}); upgrade")
    study = found.get("study", path.stem)  # older files lack it
    if study != path.stem:
        raise Damage(f"it holds the trials of {study}")
    try:
        return [Trial.model_validate(trial) for trial in found["trials"]]
    except (KeyError, TypeError, ValidationError) as error:
        raise Damage("its trials are not those of a search") from error
