"""Records: the immutable JSON result of a cell, and of a floor. docs/records.md describes the fields."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UserError
from harness.store.files import write_text

SCHEMA = 1
R = TypeVar("R", bound=BaseModel)
Status = Literal["done", "diverged", "failed", "skipped"]


class Part(BaseModel):
    """Records read what they know and refuse nothing newer inside a part: old files must load."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class ComponentFacts(Part):
    """A component as it was used."""

    name: str
    version: str
    settings: dict[str, object]


class Measured(Part):
    """One column: a value for each evaluation draw, and the seconds that measuring took in all."""

    values: list[float]
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)


class CurvePoint(Part):
    """A measurement along training."""

    images: int
    value: float


class Costs(Part):
    """Counted by the harness. Seconds are wall clock of one process; memory is the peak of its resident set, in bytes."""

    images_seen: int = 0
    steps: int = 0
    network_evaluations: int = 0
    """Examples that went through the network while training, banks and curve included."""
    nfe: float = 0.0
    """Network evaluations a sample."""
    seconds_finetune: float = 0.0
    seconds_sample: float = 0.0
    peak_memory_bytes: int = 0


class Record(Part):
    """The result of a cell."""

    schema_version: int = SCHEMA
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
    curve: list[CurvePoint] = []
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
        return f"{self.base}/{self.method}/s{self.seed}"


class FloorRecord(Part):
    """Real against real: one value a pair of independent draws."""

    schema_version: int = SCHEMA
    board: str
    metric: str
    key: str
    values: list[float]
    seconds: float = 0.0
    is_smoke: bool = False


def save_record(record: Record | FloorRecord, path: Path) -> None:
    """Write a record whole or not at all, with a checksum over its content."""
    content = record.model_dump(mode="json")
    write_text(path, json.dumps({"sha256": _checksum(content), **content}, indent=1) + "\n")


def load_record(path: Path) -> Record:
    """Read a cell's record. Raises: UserError when it is missing, damaged or newer than this harness."""
    return _load(path, Record)


def load_floor(path: Path) -> FloorRecord:
    """Read a floor's record; raises as `load_record`."""
    return _load(path, FloorRecord)


def _load(path: Path, kind: type[R]) -> R:
    try:
        content = json.loads(path.read_bytes())
        found = content.pop("sha256")
    except FileNotFoundError:
        raise UserError(f"{path}: no such record") from None
    except (ValueError, AttributeError, KeyError):
        raise UserError(f"{path}: damaged: not a whole record; delete it, and the next run or publish makes it again") from None
    if content.get("schema_version", 0) > SCHEMA:
        raise UserError(f"{path}: written by a newer harness (schema {content['schema_version']}, known: {SCHEMA}); upgrade")
    if found != _checksum(content):
        raise UserError(f"{path}: damaged: its checksum does not match; delete it, and the next run or publish makes it again")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: not a {kind.__name__}: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}") from None


def _checksum(content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
