"""Records: the immutable JSON results of cells and floors. docs/records.md describes the fields."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from harness.errors import EndsTheRun, UserError
from harness.store.files import write_text
from harness.store.reading import NotRegular, read_bytes
from harness.store.record_names import row_name
from harness.store.record_parts import (
    ComponentFacts as ComponentFacts,
)
from harness.store.record_parts import (
    Costs as Costs,
)
from harness.store.record_parts import (
    CurvePoint as CurvePoint,
)
from harness.store.record_parts import (
    ExtractorFacts as ExtractorFacts,
)
from harness.store.record_parts import (
    Measured as Measured,
)
from harness.store.record_parts import (
    Part as Part,
)
from harness.store.record_parts import (
    ReferenceFacts as ReferenceFacts,
)
from harness.store.record_parts import (
    SourceFacts as SourceFacts,
)
from harness.store.record_parts import (
    WeightsRead as WeightsRead,
)
from harness.store.seal import seal_fault, sealed
from harness.validation import first_fault

log = logging.getLogger(__name__)
SCHEMA = 1
LARGEST = 2**24
"""Bytes of the largest file of a record that is read; a curve of 100,000 points takes a quarter."""
R = TypeVar("R", bound="RecordFile")
Status = Literal["done", "diverged", "failed", "skipped"]


class RecordFile(Part):
    """A record with a file of its own."""

    schema_version: int = SCHEMA


class Record(RecordFile):
    """The result of a cell."""

    board: str
    protocol: int
    base: str
    method: str
    seed: int
    key: str
    status: Status
    reason: str = ""
    is_smoke: bool = False
    model: ComponentFacts
    sampler: ComponentFacts
    finetuning: ComponentFacts
    dataset: ComponentFacts
    pretraining: dict[str, object] = {}
    weights_read: list[WeightsRead] = []
    """The table of each file that the base's weights were read from; left out of the file where they were not read from files."""
    training: dict[str, object] = {}
    evaluation: dict[str, object] = {}
    metrics: dict[str, Measured] = {}
    extractors: dict[str, ExtractorFacts] = {}
    references: dict[str, ReferenceFacts] = {}
    """Published statistics that columns compared with, by name; left out of the file where there are none."""
    curve: list[CurvePoint] = []
    size: int | None = None
    """The row's number of samples, on a board that measures several numbers; left out of other boards' files."""
    sampler_name: str | None = None
    """Name of the row's sampler, on a board that measures several samplers; left out of other boards' files."""
    training_sampler: ComponentFacts | None = None
    """The sampler that drew banks and the curve, on a board that measures several samplers; left out elsewhere."""
    selected_images: int | None = None
    """Training images seen by the evaluated weights, where `select: best` chose the weights; else None."""
    costs: Costs = Costs()
    parameters: int = 0
    weights_sha256: str = ""
    samples_sha256: str = ""
    base_weights_sha256: str = ""
    called_weights_sha256: dict[str, str] = {}
    """Hash of the weights of each other base whose network a sampler called, by the base's key; left out of the file where there
    is none, and in records of older versions."""
    dataset_fingerprint: str = ""
    environment: dict[str, object] = {}
    sources: list[SourceFacts] = []
    """The code that made the number. A component has two entries where its code was edited between two stages of the cell."""
    unsealed: list[str] = []
    """Stages whose facts had no checksum when the record was made, because an older version had made their outputs; left out of
    the file where there are none."""
    created: str = ""

    @property
    def cell(self) -> str:
        """The name of the cell: `base/method/s0`, or `base/method/n500/heun/s0` on a board of several sizes and samplers."""
        return f"{row_name(self.base, self.method, self.size, self.sampler_name)}/s{self.seed}"


class FloorRecord(RecordFile):
    """The result of a floor: the values of a metric between two independent draws of real data, one for each pair of draws."""

    board: str
    metric: str
    key: str
    values: list[float]
    seconds: float = 0.0
    is_smoke: bool = False
    extractor: ExtractorFacts | None = None
    """The extractor of a metric on features; left out for other metrics, and in records of older versions."""
    reference: ReferenceFacts | None = None
    """The published statistics that real draws were compared with; left out where there are none. Without any values the dataset
    has too few held-out examples for a floor against them."""
    sources: list[SourceFacts] = []
    dataset_fingerprint: str | None = None
    """Of the examples that were compared; None in records of older versions."""
    held_out: int | None = None
    """The number of held-out examples that every draw is taken from; None where each draw has examples of its own, and in records
    of older versions."""


_REPAIR = "restore the file (of a published record: git checkout), or delete it, which loses it until its cell is run again"


class AbsentRecord(UserError):
    """There is no such file."""


class UnreadableRecord(EndsTheRun):
    """The file of a record cannot be read and may well be whole: it must not be made again."""


class NewerRecord(UnreadableRecord):
    """A newer harness wrote the record, which is whole: it must not be made again."""


class DamagedRecord(UserError):
    """The file of a record is not as it was written.

    Args:
        fault: the file and what is wrong with it. The remedy is not part of it, because it depends on the folder of the record.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault}: {_REPAIR}")
        self.fault = fault

    def __reduce__(self) -> tuple[type[DamagedRecord], tuple[str]]:
        return DamagedRecord, (self.fault,)  # pickling would call it with the whole message; processes exchange these errors


def save_record(record: Record | FloorRecord, path: Path) -> None:
    """Write a record with a checksum over its content, whole or not at all. Raises: StorageError."""
    write_text(path, sealed(_content(record)))


def _content(record: Record | FloorRecord) -> dict[str, object]:
    """Return the content of the file. Optional fields that are empty are left out, so that older files stay as they are."""
    content = record.model_dump(mode="json")
    for part in (content, *content.get("metrics", {}).values()):
        for name in ("extractors", "references", "also", "called_weights_sha256"):
            if part.get(name) == {}:
                del part[name]
    for name in ("weights_read", "unsealed"):
        if content.get(name) == []:
            del content[name]
    for name in ("size", "sampler_name", "training_sampler", "extractor", "reference", "held_out", "dataset_fingerprint"):
        if content.get(name, 0) is None:
            del content[name]
    if not content["sources"]:
        del content["sources"]
    return content


def load_record(path: Path) -> Record:
    """Return the record of a cell. Raises: UserError when the file is missing, damaged, or newer than this harness."""
    return _load(path, Record)


def load_floor(path: Path) -> FloorRecord:
    """Return the record of a floor. Raises: UserError when the file is missing, damaged, or newer than this harness."""
    return _load(path, FloorRecord)


def usable(path: Path, load: Callable[[Path], R]) -> R | None:
    """Return a record of a runs folder; None when it is missing or cannot be used, so that the run must make it.

    A record that is damaged is reported by a warning, once in each process.

    Args:
        load: `load_record`, `load_floor`, or a function that checks more.
    Raises: UnreadableRecord, also for a record of a newer harness.
    """
    try:
        return load(path)
    except AbsentRecord:
        return None
    except UnreadableRecord:
        raise
    except UserError as error:
        _warn(error.fault if isinstance(error, DamagedRecord) else str(error))
        return None


@cache
def _warn(fault: str) -> None:
    log.warning("%s; it counts as absent, and `harness run` makes it again", fault)


def _load(path: Path, kind: type[R]) -> R:
    content = verified(path)
    try:
        record = kind.model_validate_json(content)
    except ValidationError as error:
        with suppress(ValidationError):  # the content is no JSON at all
            _refuse_newer(path, RecordFile.model_validate_json(content).schema_version)
        raise UserError(f"{path}: not a {kind.__name__}: {first_fault(error, _parsed(content))}") from None
    _refuse_newer(path, record.schema_version)
    return record


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def verified(path: Path | str) -> bytes:
    """Return the content of a record's file, with a right checksum. Raises: AbsentRecord; UnreadableRecord; DamagedRecord."""
    try:
        content = read_bytes(path, largest=LARGEST)
    except FileNotFoundError:
        raise AbsentRecord(f"{path}: no such record") from None
    except IsADirectoryError:
        raise UnreadableRecord(f"{path}: a folder stands where a record must be; move it away") from None
    except NotRegular as error:
        raise UnreadableRecord(f"{path}: {error.strerror}; move it away") from None
    except OSError as error:
        raise UnreadableRecord(f"{path}: cannot be read: {error.strerror}; see to its permissions or the disk") from None
    if (fault := seal_fault(content, "record")) is not None:
        raise DamagedRecord(f"{path}: damaged: {fault}")
    return content


def _refuse_newer(path: Path, version: int) -> None:
    if version > SCHEMA:
        raise NewerRecord(f"{path}: written by a newer harness (schema {version}, known: {SCHEMA}); upgrade")
