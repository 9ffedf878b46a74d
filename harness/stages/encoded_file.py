"""Encoded training data that are being written: a file that grows by chunks. After a kill, encoding goes on at the next chunk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import torch
from pydantic import BaseModel, ValidationError

from harness.capabilities import WorksInLatents
from harness.errors import Interrupted
from harness.indexed import IndexedExamples
from harness.interfaces import Batch
from harness.process import stop
from harness.process.crew import ALONE, Crew
from harness.sampling import latents
from harness.store.files import remove_folder, storage, write_text
from harness.weights import tensor_rows

KEPT = "kept.safetensors"
"""The file of encoded data: `kept` (n, …), what the autoencoder keeps of each image, and `labels` (n,) where there are some.
Files of older versions have no labels."""
NOTE = "encoded.json"
"""The file beside it that says how far the encoding is."""
NOTE_SECONDS = 30.0
"""Seconds of encoding that a kill costs at most."""


class Progress(BaseModel):
    """How far an encoding is.

    Args:
        identity: a hash of everything that the encoded data depend on.
        file: name of the file. Each beginning has a file of its own: a process that was given up may still write into the one
            that it began.
        rows: rows that are in the file, and on the disk.
        seconds: that encoding them took.
    """

    identity: str
    rows: int
    seconds: float
    file: str = KEPT


@dataclass
class EncodedFile:
    """A file of encoded data that is being written into a folder. A folder of another identity is begun anew.

    Args:
        crew: the processes that share the encoding.
    """

    folder: Path
    identity: str
    crew: Crew = ALONE
    _file: str = KEPT

    def write(
        self, network: WorksInLatents, examples: IndexedExamples, device: torch.device, on_progress: Callable[[int], None]
    ) -> float:
        """Encode all examples, or those that are not in the file yet.

        Args:
            on_progress: called after each chunk with the number of images so far.
        Returns: the seconds that it took, over all resumes. Raises: StorageError; Interrupted, after the progress was noted.
        """
        progress = self._begin()
        started = time.perf_counter() - progress.seconds
        try:
            with stop.saves_state():
                for batch in latents.encoded(network, examples, device, first=progress.rows, crew=self.crew):
                    self._add(batch, progress, len(examples))
                    progress.rows, seconds = progress.rows + len(batch), time.perf_counter() - started
                    if seconds - progress.seconds > NOTE_SECONDS:
                        progress.seconds = seconds
                        self._note(progress)
                    on_progress(progress.rows)
        except Interrupted:
            progress.seconds = time.perf_counter() - started
            self._note(progress)
            raise
        return time.perf_counter() - started

    def hand_over(self, folder: Path) -> None:
        """Move the file, which `write` has completed, into the folder of the output."""
        with storage(folder):
            shutil.move(self.folder / self._file, folder / KEPT)
        remove_folder(self.folder)

    def _begin(self) -> Progress:
        try:
            noted = Progress.model_validate_json((self.folder / NOTE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError):
            noted = None
        if noted is not None and noted.identity == self.identity and self._is_of_folder(noted.file):
            self._file = noted.file
            return noted
        remove_folder(self.folder)
        with storage(self.folder):
            self.folder.mkdir(parents=True)
        self._file = f"kept-{uuid4().hex[:8]}.safetensors"
        return Progress(identity=self.identity, rows=0, seconds=0.0, file=self._file)

    def _is_of_folder(self, name: str) -> bool:
        return name == Path(name).name and (self.folder / name).is_file()

    def _add(self, batch: Batch, progress: Progress, n: int) -> None:
        path, start = self.folder / progress.file, progress.rows
        if not start:
            layout = {"kept": (batch.x.dtype, (n, *batch.x.shape[1:]))}
            if batch.labels is not None:
                layout["labels"] = (batch.labels.dtype, (n,))
            tensor_rows.allocate(path, layout)
        stored = tensor_rows.tensors(path)
        tensor_rows.write(stored["kept"], start, batch.x)
        if batch.labels is not None:
            tensor_rows.write(stored["labels"], start, batch.labels)

    def _note(self, progress: Progress) -> None:
        """Note the progress once the disk has the rows."""
        path = self.folder / progress.file
        if path.is_file():
            with storage(path), path.open("rb") as file:
                os.fsync(file.fileno())
            write_text(self.folder / NOTE, progress.model_dump_json())
