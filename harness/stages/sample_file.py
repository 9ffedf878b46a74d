"""Sample sets that are being drawn: a file that grows by chunks. After a kill, drawing goes on at the next chunk."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from harness.errors import UserError
from harness.images.quantise import to_uint8
from harness.sampling.drawing import DrawnSamples
from harness.stages.example_sets import SAMPLES
from harness.store.files import remove_folder, storage
from harness.weights import tensor_rows
from harness.weights.tensor_rows import TensorRows, bytes_of

CHUNKS = "chunks.jsonl"
"""The file beside the samples: a line that says what is drawn, then a line for each chunk that is whole."""
ROWS_AT_ONCE = 256
"""Samples of a chunk that are rounded to bytes, or squared, at once."""


class SampleLayout(NamedTuple):
    """The form of a file of sample sets.

    Args:
        draws: number of sets.
        n: samples of each.
        shape: of a sample.
        is_bytes: whether samples are images, kept as the bytes that metrics see.
        is_labelled: whether each sample has a label.
    """

    draws: int
    n: int
    shape: tuple[int, ...]
    is_bytes: bool
    is_labelled: bool

    @property
    def tensors(self) -> Mapping[str, tuple[torch.dtype, tuple[int, ...]]]:
        """Type and shape of every tensor of the file, by name."""
        x = (torch.uint8 if self.is_bytes else torch.float32, (self.n, *self.shape))
        tensors = {f"x.{draw}": x for draw in range(self.draws)}
        if self.is_labelled:
            tensors |= {f"labels.{draw}": (torch.int64, (self.n,)) for draw in range(self.draws)}
        return tensors


class Chunk(BaseModel):
    """Samples `start` to `stop` - 1 of a set, which are in the file.

    Args:
        sha256: hash of their bytes in the file.
        evaluations: examples that went through networks for them.
        squares: sum of the squares of their values as they were drawn.
        seconds: that drawing took.
    """

    model_config = ConfigDict(frozen=True)

    draw: int
    start: int
    stop: int
    sha256: str
    evaluations: int
    squares: float
    seconds: float


class Head(BaseModel):
    """The first line of the file of chunks.

    Args:
        identity: a hash of everything that the samples depend on.
        file: name of the file of samples. Each beginning has a file of its own: a process that was given up may still write into
            the one that it began.
    """

    model_config = ConfigDict(frozen=True)

    identity: str
    layout: SampleLayout
    file: str = SAMPLES

    @property
    def line(self) -> str:
        """The text of the line."""
        return self.model_dump_json()


@dataclass(frozen=True)
class SampleFile:
    """A file of sample sets that is being drawn.

    Args:
        head: the first line of the file of chunks, which says what is drawn, and into which file.
        chunks: what is in the file, by draw and start.
    """

    folder: Path
    layout: SampleLayout
    head: Head
    chunks: dict[tuple[int, int], Chunk]

    @classmethod
    def open(cls, folder: Path, layout: SampleLayout, identity: str) -> Self:
        """Go on with the file in a folder, or begin a new one there.

        Args:
            identity: a hash of everything that the samples depend on. A file of another identity is begun anew.
        Raises: StorageError.
        """
        head, chunks = _unfinished(folder, identity, layout)
        if chunks is None:
            remove_folder(folder)
            with storage(folder):
                folder.mkdir(parents=True)
                tensor_rows.allocate(folder / head.file, layout.tensors)
        opened = cls(folder, layout, head, {(chunk.draw, chunk.start): chunk for chunk in chunks or ()})
        # Written anew without what a kill has left half-written: the next line must begin a line.
        opened._write("w", head.line, *(_line(head.line, chunk) for chunk in opened.chunks.values()))
        return opened

    @property
    def path(self) -> Path:
        """The file of the samples."""
        return self.folder / self.head.file

    def add(self, draw: int, start: int, drawn: DrawnSamples, seconds: float) -> None:
        """Write a chunk into the file. Raises: StorageError; Diverged for images that are not finite."""
        x = drawn.batch.x
        kept = torch.cat([to_uint8(part) for part in x.split(ROWS_AT_ONCE)]) if self.layout.is_bytes else x
        stored = tensor_rows.tensors(self.path)
        tensor_rows.write(stored[f"x.{draw}"], start, kept)
        if drawn.batch.labels is not None:
            tensor_rows.write(stored[f"labels.{draw}"], start, drawn.batch.labels)
        chunk = Chunk(
            draw=draw,
            start=start,
            stop=start + len(x),
            sha256=_sha256(kept, drawn.batch.labels),
            evaluations=drawn.evaluations,
            squares=sum_of_squares(x),
            seconds=seconds,
        )
        self._write("a", _line(self.head.line, chunk))
        self.chunks[draw, start] = chunk

    def of_draw(self, draw: int) -> list[Chunk]:
        """Return the chunks of a set."""
        return [chunk for chunk in self.chunks.values() if chunk.draw == draw]

    def nfe(self, draw: int) -> float:
        """Return the network evaluations for each sample of a set."""
        return sum(chunk.evaluations for chunk in self.of_draw(draw)) / self.layout.n

    def root_mean_square(self, draw: int) -> float:
        """Return the root mean square of all values of a set as they were drawn."""
        squares = math.fsum(chunk.squares for chunk in self.of_draw(draw))
        return math.sqrt(squares / (self.layout.n * math.prod(self.layout.shape)))

    def sha256(self, draw: int) -> str:
        """Return the hash of a set as it is in the file: `state_dicts.sha256` of its samples under the name x."""
        return tensor_rows.tensors(self.path)[f"x.{draw}"].sha256("x")

    def hand_over(self, target: Path) -> None:
        """Make the file appear at a path of the same disk too. A kill before the end of the stage then costs nothing."""
        with storage(target):
            try:
                os.link(self.path, target)
            except OSError:  # a file system without links
                shutil.copyfile(self.path, target)

    def _write(self, mode: str, *lines: str) -> None:
        path = self.folder / CHUNKS
        with storage(path), path.open(mode, encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def sum_of_squares(x: Tensor) -> float:
    """Return the sum of the squares of all values, in float64, a few rows at a time."""
    return math.fsum(float((part.double() ** 2).sum()) for part in x.split(ROWS_AT_ONCE))


def _unfinished(folder: Path, identity: str, layout: SampleLayout) -> tuple[Head, list[Chunk] | None]:
    """Return the head and the chunks of an unfinished file; where there is no such file, a new head and None.

    The chunks come in their order, up to one that is damaged.
    """
    head = Head(identity=identity, layout=layout, file=f"samples-{uuid4().hex[:8]}.safetensors")
    try:
        first, *lines = (folder / CHUNKS).read_text(encoding="utf-8").split("\n")
        found = Head.model_validate_json(first)
        if (found.identity, found.layout) != (identity, layout) or found.file != Path(found.file).name:
            return head, None
        return found, _whole_chunks(tensor_rows.tensors(folder / found.file), found.line, lines)
    except (OSError, UnicodeDecodeError, UserError, ValidationError):
        return head, None


def _whole_chunks(stored: Mapping[str, TensorRows], head: str, lines: Sequence[str]) -> list[Chunk]:
    chunks: list[Chunk] = []
    for line in lines:
        chunk = _chunk_of(head, line)
        if chunk is None:  # the end, or a line that a kill has cut
            break
        if _sha256_in_file(stored, chunk) != chunk.sha256:  # the machine died, and the disk has only some of what was written
            break
        chunks.append(chunk)
    return chunks


def _line(head: str, chunk: Chunk) -> str:
    """Return the line of a chunk: a checksum over the head and the chunk, then the chunk."""
    content = chunk.model_dump_json()
    return f"{_checksum(head, content)} {content}"


def _chunk_of(head: str, line: str) -> Chunk | None:
    """Return the chunk of a line; None for a line that is not as it was written, or stood under another head."""
    checksum, _, content = line.partition(" ")
    return Chunk.model_validate_json(content) if checksum == _checksum(head, content) else None


def _checksum(head: str, content: str) -> str:
    return hashlib.sha256(f"{head}\n{content}".encode()).hexdigest()


def _sha256_in_file(stored: Mapping[str, TensorRows], chunk: Chunk) -> str:
    labels = stored.get(f"labels.{chunk.draw}")
    of_chunk = None if labels is None else labels.read(chunk.start, chunk.stop)
    return _sha256(stored[f"x.{chunk.draw}"].read(chunk.start, chunk.stop), of_chunk)


def _sha256(x: Tensor, labels: Tensor | None) -> str:
    total = hashlib.sha256(bytes_of(x))
    if labels is not None:
        total.update(bytes_of(labels))
    return total.hexdigest()
