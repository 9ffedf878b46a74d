"""A result that is made anew: what is set aside of it, and the note that stays until it is made. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.board.components import Resolved
from harness.components import Component
from harness.errors import UserError
from harness.stages import sources
from harness.store.files import write_text
from harness.store.lease import Busy, lease
from harness.store.reading import read_bytes

Kept = Literal["nothing", "steps", "training", "samples"]
"""What of a cell stays that is made anew, in the order of how much: `steps`, the steps of a training that rows share, which are
merged anew; `training`, the cell's weights; `samples`, its weights and samples."""
_ENTRIES: Mapping[Kept, str] = {"steps": "keeps_steps", "training": "keeps_training", "samples": "keeps_samples"}
"""The entry of a note that says what of its cell stays."""
REASONS: Mapping[Kept, str] = {
    "nothing": "anew",
    "steps": "anew, from the steps that its row shares with others",
    "training": "anew, from the same weights",
    "samples": "measured anew, from the same samples",
}
"""What a dry run says of a cell."""


@dataclass(frozen=True)
class Result:
    """A result that can be made anew.

    Args:
        name: name of the result, for messages.
        note: the file that says that the result is made anew.
        components: the components whose code makes the result.
        leases: the leases of everything that is renamed.
        set_aside: renames everything that the result had, its record last.
        is_made: whether the result is there.
        keeps: what of a cell stays.
    """

    name: str
    note: Path
    components: Sequence[Resolved[Component]]
    leases: Sequence[Path]
    set_aside: Callable[[], None]
    is_made: Callable[[], bool]
    keeps: Kept = "nothing"

    @property
    def is_begun(self) -> bool:
        """Whether an unfinished run has begun to make the result anew, with the code as it is now."""
        return self._read() == self._content(is_set_aside=True)

    @property
    def is_half_set_aside(self) -> bool:
        """Whether a run was killed while it set the result aside."""
        return self._read().get("is_set_aside") is False

    def begin(self) -> None:
        """Set everything aside. Raises: UserError, with everything as it was, when another process works on the result."""
        with self._held():
            self._write(is_set_aside=False)
            self.set_aside()
            self._write(is_set_aside=True)

    def check_free(self) -> None:
        """Raises: UserError when another process works on the result."""
        with self._held():
            pass

    def _held(self) -> ExitStack:
        """Return the leases of the result, all held."""
        with ExitStack() as held:
            try:
                for path in self.leases:
                    held.enter_context(lease(path, wait=False))
            except Busy:
                raise UserError(f"{self._option}: another run works on {self.name}; wait for its end, or stop it") from None
            return held.pop_all()

    @property
    def _option(self) -> str:
        return "--remeasure" if self.keeps == "samples" else "--fresh"

    def _content(self, *, is_set_aside: bool) -> dict[str, object]:
        content = {"name": self.name, "code": sources.digest_of(sources.of(*self.components)), "is_set_aside": is_set_aside}
        return content if self.keeps == "nothing" else {**content, _ENTRIES[self.keeps]: True}

    def _read(self) -> dict[str, object]:
        return _read_note(self.note)

    def _write(self, *, is_set_aside: bool) -> None:
        write_text(self.note, json.dumps(self._content(is_set_aside=is_set_aside)))


def kept_by(note: Path) -> Kept:
    """Return what a note says that stays of a cell."""
    content = _read_note(note)
    return next((kept for kept, entry in _ENTRIES.items() if content.get(entry) is True), "nothing")


def kept_after(note: Path, wanted: Kept) -> Kept:
    """Return what of a cell can stay where `wanted` is asked for: no more than a run was to keep that was killed in its begin."""
    if _read_note(note).get("is_set_aside") is not False:
        return wanted
    return min(wanted, kept_by(note), key=list(REASONS).index)


def _read_note(note: Path) -> dict[str, object]:
    """Return the content of a note; nothing where it is absent or damaged."""
    try:
        content = json.loads(read_bytes(note))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
