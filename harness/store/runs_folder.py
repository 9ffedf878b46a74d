"""The runs folder: paths of all files that runs of boards write."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from harness.errors import UserError
from harness.store.files import StorageError, blocking_file, dangling_link, link_fault, storage
from harness.store.record_names import RecordName

PROBE = ".probe-"
TRACKED = ".state"
"""The folder beside those of trackers with what each of them has logged."""
PROBE_SECONDS = 60
"""A probe that is older was left by a killed process: a living one removes it at once."""
_ANOTHER_FOLDER = "choose another folder with --runs-dir or HARNESS_RUNS"


@dataclass(frozen=True)
class RunsFolder:
    """Paths below one runs folder. Smoke runs use a folder of their own, `runs/smoke`, so they never meet real records.

    ```
    runs/stages/STAGE/KEY/       output of a stage, with manifest.json
    runs/work/STAGE-KEY/         checkpoints of training that is under way, and tracebacks of failures
    runs/leases/                 who works on which output or cell now
    runs/fresh/                  what `--fresh` was asked to make anew, until all of it is made
    runs/paths/                  which files the paths in settings stood for
    runs/searches/BOARD/         the trials of each search, as far as it came
    runs/workers/                the heartbeat of each process, and what it is doing now
    runs/commands/               which runs are at work, and what those printed that were started with `--detach`
    runs/cancels/                requests of `harness cancel`
    runs/logs/BOARD/             what the jobs of each cell, base and floor printed
    runs/records/BOARD/          one record for each cell and floor, and the logs of their trainings
    runs/boards/BOARD/           tables and plots of the records, as `run` prints them
    runs/executors/NAME/         what an executor with a queue must find again, and what its jobs printed
    runs/trackers/NAME/          what the tracker of this name writes, with `--track`
    ```
    """

    root: Path

    @classmethod
    def of(cls, runs_dir: Path | None, *, smoke: bool = False) -> RunsFolder:
        """Return the runs folder of a command: `runs_dir` (--runs-dir), else $HARNESS_RUNS, else ./runs.

        The folder need not exist. Raises: UserError where a file stands in its place.
        """
        root = runs_dir or Path(os.environ.get("HARNESS_RUNS") or "runs")
        if (file := blocking_file(root)) is not None:
            raise UserError(f"{file}: a file stands where a folder must be; {_ANOTHER_FOLDER}")
        return cls(root / "smoke" if smoke else root)

    def stage(self, stage: str, key: str) -> Path:
        """Return the folder for the output of a stage."""
        return self.root / "stages" / stage / key

    def work(self, stage: str, key: str) -> Path:
        """Return the folder for the files of an unfinished stage, such as checkpoints."""
        return self.root / "work" / f"{stage}-{key}"

    def lease(self, stage: str, key: str) -> Path:
        """Return the path of the lease of a stage's output or of a cell: see `harness.store.lease`."""
        return self.root / "leases" / f"{stage}-{key}"

    def fresh(self, kind: Literal["cell", "base", "floor"], key: str) -> Path:
        """Return the file that says that a result is to be made anew. Its key is that of the cell, base or floor."""
        return self.root / "fresh" / f"{kind}-{key}.json"

    def setting_path(self, key: str) -> Path:
        """Return the file that says which file a path in settings stood for."""
        return self.root / "paths" / f"{key}.json"

    @property
    def commands(self) -> Path:
        """The folder with one file for each command at work."""
        return self.root / "commands"

    @property
    def cancels(self) -> Path:
        """The folder with the requests to stop runs."""
        return self.root / "cancels"

    def job_log(self, board: str, kind: Literal["cell", "base", "floor"], name: str) -> Path:
        """Return the file with what the jobs of a cell, base or floor printed."""
        return self.root / "logs" / board / f"{kind}s" / f"{RecordName('cell', name).file_stem}.log"

    @property
    def workers(self) -> Path:
        """The folder with one file for each process at work."""
        return self.root / "workers"

    def records(self, board: str) -> Path:
        """Return the folder with a board's records."""
        return self.root / "records" / board

    def record(self, board: str, cell: str, key: str) -> Path:
        """Return the file of a cell's record; the first digits of the key are part of its name."""
        return self.root.joinpath("records", board, _record_file(RecordName("cell", cell), key))

    def floor(self, board: str, floor: str, key: str) -> Path:
        """Return the file of a floor's record."""
        return self.records(board) / _record_file(RecordName("floor", floor), key)

    def search(self, board: str, search: str, base: str, key: str) -> Path:
        """Return the file with the trials of a search on a base; the first digits of its key are part of the name."""
        return self.root / "searches" / board / f"{search}__{base}.{key[:12]}.json"

    def board(self, board: str) -> Path:
        """Return the folder for a board's tables and plots."""
        return self.root / "boards" / board

    def executor(self, name: str) -> Path:
        """Return the folder of an executor."""
        return self.root / "executors" / name

    def tracker(self, name: str) -> Path:
        """Return the folder of a tracker."""
        return self.root / "trackers" / name

    def tracked(self, tracker: str, board: str, name: str) -> Path:
        """Return the file that says what a tracker has logged of a cell or base."""
        return self.root / "trackers" / TRACKED / tracker / board / f"{RecordName('cell', name).file_stem}.json"

    def check_writable(self) -> None:
        """Raises: UserError when nothing can be written into the runs folder."""
        try:
            with storage(self.root):
                self.root.mkdir(parents=True, exist_ok=True)
                self._remove_old_probes()
                with TemporaryFile(dir=self.root, prefix=PROBE):  # it has no name on most file systems: a kill leaves nothing
                    pass
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError) and dangling_link(self.root) is None:
                raise UserError(f"{self.root}: this file system takes no new files; {_ANOTHER_FOLDER}") from None
            raise UserError(str(error)) from None

    def check_permissions(self) -> None:
        """Check without writing anything. Raises: UserError when the user may not write into the folder, or cannot make it."""
        if (fault := link_fault(self.root)) is not None:
            raise UserError(f"{self.root}: {fault}")
        if (file := blocking_file(self.root)) is not None:
            raise UserError(f"{self.root}: {file} is a file, and a folder must be there; {_ANOTHER_FOLDER}")
        nearest = next(folder for folder in (self.root, *self.root.absolute().parents) if os.path.exists(folder))
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(f"{nearest}: not writable; {_ANOTHER_FOLDER}, or change its permissions")

    def _remove_old_probes(self) -> None:
        """Remove what killed processes left, where a probe has a name."""
        for pattern in (f"{PROBE}*", f".{PROBE}*"):  # the second is that of older versions
            for old in self.root.glob(pattern):
                with suppress(OSError):
                    if time.time() - old.stat().st_mtime > PROBE_SECONDS:
                        old.unlink()


def _record_file(record: RecordName, key: str) -> str:
    return f"{record.file_stem}.{key[:12]}.json"


def record_file_stem(file_name: str) -> str:
    """Return the `RecordName.file_stem` in the name of a record's file, without the key and the suffix."""
    return file_name.rsplit(".", 2)[0]
