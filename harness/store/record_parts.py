"""Parts of records: components, sources, measured values, points of curves, costs. docs/records.md describes the fields."""

from __future__ import annotations

import statistics

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Part(BaseModel):
    """A part of a record. Unknown fields are ignored, so that files of other versions load."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class ComponentFacts(Part):
    """A component as the cell used it, with all settings."""

    name: str
    version: str
    settings: dict[str, object]
    formula: str = ""
    """How a sampler with guidance combined the networks' outputs; left out of the file where it is empty."""

    @model_serializer(mode="wrap")
    def _without_empty_formula(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        fields: dict[str, object] = dump(self)
        if not self.formula:
            del fields["formula"]
        return fields


class ExtractorFacts(ComponentFacts):
    """An extractor as the cell used it."""

    weights_sha256: str
    preprocessing: str


class ReferenceFacts(Part):
    """Published statistics that a column compared with: name, which images they are of, how many, and the hash of the file."""

    name: str
    of: str
    images: int
    sha256: str


class SourceFacts(Part):
    """The source code of a component that had a part in a result.

    Args:
        component: kind and name, such as `method ddo`; `harness` for the core.
        distribution, version: what pip had installed; empty where no distribution is known.
        commit: commit of the git checkout that the code lay in, with `+` when tracked files were changed; else empty.
        sha256: hash of the files; empty where they could not be read.
    """

    component: str
    distribution: str = ""
    version: str = ""
    commit: str = ""
    sha256: str = ""


class Measured(Part):
    """The values of one metric, one value for each evaluation draw, and the time in seconds that measuring all of them took."""

    values: list[float]
    seconds: float = 0.0
    also: dict[str, list[float]] = {}
    """Further values of the metric by name, one for each draw: a standard deviation over its subsets, for example."""

    @property
    def mean(self) -> float:
        """The mean over the evaluation draws."""
        return statistics.fmean(self.values)


class WeightsRead(Part):
    """The table of a file of weights that was read: its name, "" for the top of the file, and what else would have fitted."""

    part: str = ""
    table: str = ""
    not_read: list[str] = []
    casts: list[str] = []
    """Types of numbers that became others in the network: `float16 was read as float32`."""


class CurvePoint(Part):
    """A point of the curve: the value of the curve's metric after `images` training images.

    Args:
        images: of the path that led there: of the rounds before, and of this candidate in the round.
        round, candidate: numbers of the round and of the candidate in it, from 1; left out of the file where they are 1.
    """

    images: int
    value: float
    round: int = 1
    candidate: int = 1

    @model_serializer(mode="wrap")
    def _without_first_numbers(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        fields: dict[str, object] = dump(self)
        return {name: value for name, value in fields.items() if name not in ("round", "candidate") or value != 1}


class Costs(Part):
    """The costs of a cell, as the harness counted them.

    Seconds are wall-clock time of one process. Memory is a peak in bytes: of the process's resident set on a CPU, and of
    PyTorch's allocator on CUDA.
    """

    images_seen: int = 0
    steps: int = 0
    network_evaluations: int = 0
    """Examples that went through the network during training, including those of banks, and of the curve where it selects."""
    forward_evaluations: int | None = None
    """Those of training, banks included, that went through without a graph. Records of older versions have None here and in the
    next two fields, and their files lack them."""
    backward_evaluations: int | None = None
    """Those of training that went through with a graph, from which gradients are taken; each counts once."""
    selection_evaluations: int | None = None
    """Those of the curve, whether or not it selects. They are in neither of the two fields before."""
    nfe: float = 0.0
    """Network evaluations for one sample."""
    seconds_finetune: float = 0.0
    seconds_sample: float = 0.0
    peak_memory_bytes: int = 0
    seconds_prepare: float = 0.0
    prepare_evaluations: int = 0
    """Network evaluations that prepared the sampler, once for all cells of a base. Without any, the file has neither this field
    nor `seconds_prepare`."""
    energy_wh: float | None = None
    """Energy of the card in Wh, over all processes on it, while the cell ran, summed over the processes of a cell that was
    stopped; left out of the file on a CPU, and where one of these processes could not measure it, without nvidia-ml-py."""
    card_memory_bytes: int | None = None
    """Peak memory of the card in bytes, over all processes on it, as the card tells it; left out like the energy."""
    seconds_steps: float | None = None
    """The part of `seconds_finetune` that was spent on steps: without the curve and without drawing banks. Left out where no
    method trains, and in files of older versions."""
    images_extracted: int | None = None
    """Generated images that went through extractors, each once for each extractor; left out where no metric is on features, and
    in files of older versions, like the seconds that this took."""
    seconds_extract: float | None = None

    @model_serializer(mode="wrap")
    def _without_empty_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        fields: dict[str, object] = {name: value for name, value in dump(self).items() if value is not None}
        if not self.prepare_evaluations:
            del fields["seconds_prepare"], fields["prepare_evaluations"]
        return fields
