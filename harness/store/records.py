"""Records: the immutable JSON result of a cell, and of a floor. docs/records.md describes the fields."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import statistics
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from harness.errors import UserError
from harness.store.files import write_text
from harness.store.record_names import row_name

log = logging.getLogger(__name__)
SCHEMA = 1
R = TypeVar("R", bound="Stored")
Status = Literal["done", "diverged", "failed", "skipped"]


class Part(BaseModel):
    """Records read what they know and refuse nothing newer inside a part: old files must load."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Stored(Part):
    """What is a file of its own."""

    schema_version: int = SCHEMA


class ComponentFacts(Part):
    """A component as it was used."""

    name: str
    version: str
    settings: dict[str, object]
    formula: str = ""
    """Of a sampler that guides: what its settings make of the network's outputs; absent where it says nothing."""

    @model_serializer(mode="wrap")
    def _without_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        known: dict[str, object] = dump(self)
        if not self.formula:
            del known["formula"]
        return known


class ExtractorFacts(ComponentFacts):
    """An extractor as it was used."""

    weights_sha256: str
    preprocessing: str


class Measured(Part):
    """One column: a value for each evaluation draw, and the seconds that measuring took in all."""

    values: list[float]
    seconds: float = 0.0
    also: dict[str, list[float]] = {}
    """What else the metric gave, by name: a standard deviation over its subsets, say."""

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)


class CurvePoint(Part):
    """A measurement along training."""

    images: int
    value: float


class Costs(Part):
    """Counted by the harness. Seconds are wall clock of one process; memory is its peak resident set, in bytes."""

    images_seen: int = 0
    steps: int = 0
    network_evaluations: int = 0
    """Examples that went through the network while training, banks and curve included."""
    nfe: float = 0.0
    """Network evaluations a sample."""
    seconds_finetune: float = 0.0
    seconds_sample: float = 0.0
    peak_memory_bytes: int = 0
    seconds_prepare: float = 0.0
    prepare_evaluations: int = 0
    """What the sampler's preparation on the base took, once for all cells of the base; absent where there is none."""

    @model_serializer(mode="wrap")
    def _without_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        known: dict[str, object] = dump(self)
        if not self.prepare_evaluations:
            del known["seconds_prepare"], known["prepare_evaluations"]
        return known


class Record(Stored):
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
    training: dict[str, object] = {}
    evaluation: dict[str, object] = {}
    metrics: dict[str, Measured] = {}
    extractors: dict[str, ExtractorFacts] = {}
    curve: list[CurvePoint] = []
    size: int | None = None
    """Number of samples, on a board that has rows of several; absent elsewhere."""
    selected_images: int | None = None
    """Images seen by the weights that were evaluated, where `select: best` chose them."""
    costs: Costs = Costs()
    parameters: int = 0
    weights_sha256: str = ""
    samples_sha256: str = ""
    base_weights_sha256: str = ""
    dataset_fingerprint: str = ""
    environment: dict[str, object] = {}
    created: str = ""

    @property
    def cell(self) -> str:
        return f"{row_name(self.base, self.method, self.size)}/s{self.seed}"


class FloorRecord(Stored):
    """Real against real: one value a pair of independent draws."""

    board: str
    metric: str
    key: str
    values: list[float]
    seconds: float = 0.0
    is_smoke: bool = False
    extractor: ExtractorFacts | None = None
    """Of a metric on features; absent elsewhere, and in records made before it was kept."""


# The second line of a record's file is a checksum over every byte that follows it.
_REPAIR = "restore the file (of a published record: git checkout), or delete it, which loses it until its cell is run again"
_FILE = re.compile(rb'\{\n "sha256": "([0-9a-f]{64})",(\n.*\n\}\n)', re.DOTALL)


class DamagedRecord(UserError):
    """The file is not as it was written.

    Args:
        fault: where and what, without what to do, which depends on whether the record is a published one.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault}: {_REPAIR}")
        self.fault = fault

    def __reduce__(self) -> tuple[type[DamagedRecord], tuple[str]]:
        return DamagedRecord, (self.fault,)  # processes send it


def save_record(record: Record | FloorRecord, path: Path) -> None:
    """Write a record whole or not at all, with a checksum over its content."""
    body = json.dumps(_content(record), indent=1).removeprefix("{") + "\n"
    write_text(path, f'{{\n "sha256": "{_checksum(body.encode())}",{body}')


def _content(record: Record | FloorRecord) -> dict[str, object]:
    """What is written. Fields that only some boards use are left out of the others' records, which stay as they always were."""
    content = record.model_dump(mode="json")
    for part in (content, *content.get("metrics", {}).values()):
        for name in ("extractors", "also"):
            if part.get(name) == {}:
                del part[name]
    for name in ("size", "extractor"):
        if content.get(name, 0) is None:
            del content[name]
    return content


def load_record(path: Path) -> Record:
    """Read a cell's record. Raises: UserError when it is missing, damaged or newer than this harness."""
    return _load(path, Record)


def load_floor(path: Path) -> FloorRecord:
    """Read a floor's record; raises as `load_record`."""
    return _load(path, FloorRecord)


def usable(path: Path, load: Callable[[Path], R]) -> R | None:
    """A record of a runs folder, by `load_record` or `load_floor`; None where a run has to make it.

    Of a damaged one that is told, once a process, however often it looks.
    """
    if not path.exists():
        return None
    try:
        return load(path)
    except UserError as error:
        _tell(error.fault if isinstance(error, DamagedRecord) else str(error))
        return None


@cache
def _tell(fault: str) -> None:
    log.warning("%s; it counts as absent, and `harness run` makes it again", fault)


def is_measured(path: Path) -> bool:
    """Whether a floor's record is there and whole. Tells nothing."""
    try:
        load_floor(path)
    except UserError:
        return False
    return True


def _load(path: Path, kind: type[R]) -> R:
    content = verified(path)
    try:
        record = kind.model_validate_json(content)
    except ValidationError as error:
        _refuse_newer(path, Stored.model_validate_json(content).schema_version)
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: not a {kind.__name__}: {first['msg']} at {where}") from None
    _refuse_newer(path, record.schema_version)
    return record


def verified(path: Path | str) -> bytes:
    """A record's file, whole as it was written. Raises: UserError when it is missing or damaged."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise UserError(f"{path}: no such record") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    # Git may have turned the ends of lines into those of another system; that is no damage.
    found = _FILE.fullmatch(content.replace(b"\r\n", b"\n") if b"\r" in content else content)
    if found is None:
        raise DamagedRecord(f"{path}: damaged: not a whole record")
    if found[1].decode() != _checksum(found[2]):
        raise DamagedRecord(f"{path}: damaged: its checksum does not match")
    return content


def _refuse_newer(path: Path, version: int) -> None:
    if version > SCHEMA:
        raise UserError(f"{path}: written by a newer harness (schema {version}, known: {SCHEMA}); upgrade")


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
