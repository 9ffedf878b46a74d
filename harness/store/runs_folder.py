"""Where things are under the runs folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.store.files import StorageError, write_text
from harness.store.record_names import RecordName


@dataclass(frozen=True)
class RunsFolder:
    """Paths of one runs folder. Smoke runs have a tree of their own, `runs/smoke`, and never meet real records.

    ```
    runs/stages/STAGE/KEY/       outputs of stages, with manifest.json
    runs/work/STAGE-KEY/         checkpoints of training that goes on, tracebacks of what failed
    runs/leases/                 locks of stages and cells, held by a process while it works on one
    runs/progress/               what each process does now
    runs/records/BOARD/          a record a cell
    runs/boards/BOARD/           tables and plots of the records, as `run` prints them
    ```
    """

    root: Path

    @classmethod
    def of(cls, runs_dir: Path | None, *, smoke: bool = False) -> RunsFolder:
        """From --runs-dir, or the environment's HARNESS_RUNS, or ./runs."""
        root = runs_dir or Path(os.environ.get("HARNESS_RUNS") or "runs")
        return cls(root / "smoke" if smoke else root)

    def stage(self, stage: str, key: str) -> Path:
        return self.root / "stages" / stage / key

    def work(self, stage: str, key: str) -> Path:
        return self.root / "work" / f"{stage}-{key}"

    def lease(self, stage: str, key: str) -> Path:
        return self.root / "leases" / f"{stage}-{key}.lock"

    @property
    def progress(self) -> Path:
        return self.root / "progress"

    def records(self, board: str) -> Path:
        return self.root / "records" / board

    def record(self, board: str, cell: str, key: str) -> Path:
        return self.records(board) / _record_file(RecordName("cell", cell), key)

    def floor(self, board: str, floor: str, key: str) -> Path:
        return self.records(board) / _record_file(RecordName("floor", floor), key)

    def board(self, board: str) -> Path:
        return self.root / "boards" / board

    def check_writable(self) -> None:
        """Raises: UserError when nothing can be written there."""
        probe = self.root / f".probe-{os.getpid()}"
        try:
            write_text(probe, "")
            probe.unlink()
        except StorageError as error:
            raise UserError(str(error)) from None


def _record_file(record: RecordName, key: str) -> str:
    return f"{record.file_stem}.{key[:12]}.json"


def record_file_stem(file_name: str) -> str:
    """Return the `RecordName.file_stem` in the name of a record's file: what the records of all keys have in common."""
    return file_name.rsplit(".", 2)[0]
