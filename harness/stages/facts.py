"""The facts that stages keep in the manifests of their outputs, as types. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from harness.store.outputs import Output
from harness.store.records import CurvePoint, SourceFacts, WeightsRead


class StageFacts(BaseModel):
    """Facts of one stage. Manifests may hold more: what is not named here is not read.

    Args:
        sources: the code that made the output and all that it was made from; empty in manifests of older versions.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    ADDED_LATER: ClassVar[frozenset[str]] = frozenset({"sources"})
    """Fields that manifests of older versions lack. Their defaults say that the fact is not known."""

    sources: list[SourceFacts] = []

    @classmethod
    def of(cls, output: Output) -> Self:
        """Return the facts in the manifest of an output. Raises: ValueError for a manifest that lacks one of them."""
        if lacking := sorted(cls.model_fields.keys() - cls.ADDED_LATER - output.facts.keys()):
            # The defaults are for what has no manifest: a fact that is lost must not read as zero.
            raise ValueError(f"{output.folder}: the manifest lacks {', '.join(lacking)}; delete the folder, and it is made again")
        return cls.model_validate(output.facts)


class BaseFacts(StageFacts):
    """A base. Its manifest also holds how the weights came about.

    Args:
        parameters: number of trainable scalars.
        weights_read: the table of each file that the weights were read from; empty where they were not read from files.
    """

    ADDED_LATER = frozenset({"sources", "weights_read"})
    weights_sha256: str = ""
    parameters: int = 0
    weights_read: list[WeightsRead] = []


class FinetuneFacts(StageFacts):
    """Fine-tuned weights, and what they cost. The defaults are those of a cell that has no network.

    Args:
        network_evaluations: examples that went through networks while training, those of a curve that selects included.
        forward_evaluations, backward_evaluations, selection_evaluations: see `harness.training.evaluations.Evaluations`; None
            where nobody counted them.
        selected_images: images seen by the weights that were chosen along the curve; None where the last weights are taken.
        banks: keys of the banks of generated samples that the training used; other cells may use them too.
        seconds_steps: the part of `seconds` that was neither the curve's nor spent on banks; None where that is not known.
        base_weights_sha256: hash of the weights of each base that had a part in the training, by the base's key; None where an
            older version noted none.
    """

    ADDED_LATER = frozenset(
        {
            "sources",
            "banks",
            "seconds_steps",
            "forward_evaluations",
            "backward_evaluations",
            "selection_evaluations",
            "base_weights_sha256",
        },
    )

    weights_sha256: str = ""
    base_weights_sha256: dict[str, str] | None = None
    images_seen: int = 0
    steps: int = 0
    seconds: float = 0.0
    seconds_steps: float | None = None
    network_evaluations: int = 0
    forward_evaluations: int | None = None
    backward_evaluations: int | None = None
    selection_evaluations: int | None = None
    curve: list[CurvePoint] = []
    selected_images: int | None = None
    banks: list[str] = []


class SharedTrainingFacts(StageFacts):
    """A training that cells share; it says nothing of what a method's `result` makes of its weights.

    Args:
        points: images seen at each time of which the weights are kept, the end last.
        seconds, network_evaluations: of steps and banks.
        backward_evaluations: how many of them were with a graph; None where nobody counted them.
        parameters: number of trainable scalars.
        banks: keys of the banks of generated samples that the training used.
        base_weights_sha256: hash of the weights of the base, and of each base that the sampler calls, by the base's key.
    """

    ADDED_LATER = frozenset({"sources", "backward_evaluations", "base_weights_sha256"})

    points: list[int]
    seconds: float
    network_evaluations: int
    backward_evaluations: int | None = None
    parameters: int
    banks: list[str]
    base_weights_sha256: dict[str, str] = {}


class PreparationFacts(StageFacts):
    """The costs of preparing a sampler on a base. The defaults are those of a sampler that needs no preparation.

    Args:
        own_sources: the code that prepared, without the code that made the bases.
        base_weights_sha256: hash of the weights of each base that was measured or called, by the base's key.
    """

    ADDED_LATER = frozenset({"sources", "own_sources", "base_weights_sha256"})

    seconds: float = 0.0
    network_evaluations: int = 0
    own_sources: list[SourceFacts] = []
    base_weights_sha256: dict[str, str] = {}


class SampleFacts(StageFacts):
    """The sample sets of a cell.

    Args:
        nfe: network evaluations a sample, averaged over the draws.
        samples_sha256: hash over the hashes of all draws.
        draws_sha256: hash of each draw.
        weights_sha256: hash of the weights that they were drawn from; empty for examples of a dataset, and where an older version
            did not note it.
        called_weights_sha256: hash of the weights of each other base whose network the sampler called, by the base's key; empty
            where it called none, and where an older version did not note it.
        are_bytes: whether they are images that are kept as bytes; the hashes are then those of the bytes.
        kept: how many samples of each draw the file holds; None for all.
        kept_sha256: hash of each draw as far as it is kept; empty where all samples are.
    """

    ADDED_LATER = frozenset({"sources", "weights_sha256", "called_weights_sha256", "are_bytes", "kept", "kept_sha256"})

    kept: int | None = None
    kept_sha256: list[str] = []

    weights_sha256: str = ""
    called_weights_sha256: dict[str, str] = {}
    are_bytes: bool = False
    nfe: float
    seconds: float
    samples_sha256: str
    draws_sha256: list[str]


def _a_float(value: object) -> object:
    """Return a float or a whole number. Raises: ValueError for anything that could only be turned into one."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise ValueError(f"a metric gives floats, not a {type(value).__name__}; write float(…)")
    return value


class PairFacts(StageFacts):
    """A metric between two sets: its values by name, the metric's own first, and the seconds that measuring took."""

    values: dict[str, Annotated[float, BeforeValidator(_a_float)]]
    seconds: float
