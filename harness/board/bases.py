"""Bases of a board, and the three origins of their samples: a pretrained network, loaded weights, or examples. Picklable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from harness.board.components import Resolved
from harness.components import Component, Dataset, Method, Model, Sampler
from harness.interfaces import DataSpec
from harness.store.keys import digest
from harness.training.config import TrainingConfig
from harness.weights.base_files import BaseFile, BaseWeights


class _Origin(ABC):
    """The properties of every origin. Keys, records and checks read them without knowing which origin a base has."""

    @property
    @abstractmethod
    def recorded_model(self) -> Resolved[Component]:
        """The component that stands as the model in keys and records. A base of examples has their dataset here."""

    @property
    @abstractmethod
    def recorded_sampler(self) -> Resolved[Component]:
        """The component that stands as the sampler in keys and records. A base of examples has their dataset here."""

    @property
    @abstractmethod
    def components(self) -> tuple[Resolved[Component], ...]:
        """All components that make the samples."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, object]:
        """The origin as keys hold it beside model and dataset: JSON values."""

    @property
    def facts(self) -> dict[str, object]:
        """The origin as records hold it: JSON values."""
        return self.identity

    @property
    def files(self) -> tuple[BaseFile, ...]:
        """The files of weights that must be there before any work."""
        return ()

    @property
    def steps(self) -> tuple[Pretrained, ...]:
        """All steps of pretraining in their order."""
        return ()


@dataclass(frozen=True)
class _Network(_Origin):
    """A model, and the sampler that draws from it."""

    model: Resolved[Model]
    sampler: Resolved[Sampler]

    @property
    def recorded_model(self) -> Resolved[Component]:
        return self.model

    @property
    def recorded_sampler(self) -> Resolved[Component]:
        return self.sampler

    @property
    def components(self) -> tuple[Resolved[Component], ...]:
        return (self.model, self.sampler, *(step.method for step in self.steps))

    @property
    def drops_parts(self) -> bool:
        """Whether the network drops parts of itself at random in pretraining."""
        return self.model.component.drops_parts(self.model.settings)

    @property
    def _mode(self) -> dict[str, object]:
        """The part of keys of networks that drop parts: older versions had dropout at other times. Others keep their keys."""
        return {"drops": "in pretraining alone"} if self.drops_parts else {}


@dataclass(frozen=True)
class Pretrained(_Network):
    """A network that the board trains itself, in one step or in several.

    Args:
        method, training, seed: of the last step.
        after: the base that the step before the last one makes, from whose weights the last step starts; None where the only
            step starts from random weights.
    """

    method: Resolved[Method]
    training: TrainingConfig
    seed: int
    after: Base | None = None

    @property
    def steps(self) -> tuple[Pretrained, ...]:
        earlier = () if self.after is None else self.after.origin.steps
        return (*earlier, self)

    @property
    def last_step(self) -> dict[str, object]:
        """The last step alone, as keys and records hold it: JSON values."""
        return {"method": self.method.identity, "training": self.training.identity, "seed": self.seed}

    @property
    def identity(self) -> dict[str, object]:
        step = {**self.last_step, **self.training.arithmetic, **self._mode}
        return step if self.after is None else {**step, "after": self.after.key}

    @property
    def facts(self) -> dict[str, object]:
        return self.last_step if self.after is None else {**self.last_step, "after": self.after.origin.facts}

    def spec_on(self, data: DataSpec) -> DataSpec:
        """Return what the network generates on a dataset that holds `data`."""
        return data


@dataclass(frozen=True)
class Loaded(_Network):
    """A network whose weights are read from files."""

    weights: BaseWeights

    @property
    def seed(self) -> int:
        """Seed of what the sampler prepares for the base; loading has no other randomness."""
        return 0

    @property
    def identity(self) -> dict[str, object]:
        return {"weights": self.weights.identity, **self._mode}

    @property
    def files(self) -> tuple[BaseFile, ...]:
        return () if self.weights.is_stand_in else self.weights.files

    def spec_on(self, data: DataSpec) -> DataSpec:
        """Return what the network generates on a dataset that holds `data`."""
        return self.weights.spec_on(data)


@dataclass(frozen=True)
class Examples(_Origin):
    """Examples of a dataset: they are measured in the place of generated samples, to see what the metrics make of them."""

    dataset: Resolved[Dataset]

    @property
    def recorded_model(self) -> Resolved[Component]:
        return self.dataset

    @property
    def recorded_sampler(self) -> Resolved[Component]:
        return self.dataset

    @property
    def components(self) -> tuple[Resolved[Component], ...]:
        return (self.dataset,)

    @property
    def identity(self) -> dict[str, object]:
        return {"data": self.dataset.identity}


Network = Pretrained | Loaded
Origin = Network | Examples


@dataclass(frozen=True)
class Base:
    """A base, from which every method starts: its name, its label in tables, and the origin of its samples.

    Args:
        dataset: the board's dataset.
        paired_seed: seed of the pretraining, where the board pretrains the base once for each of several seeds and pairs them
            with the seeds of cells; None where all cells start from one base. Bases of several seeds share name and label.
    """

    name: str
    label: str
    dataset: Resolved[Dataset]
    origin: Origin
    paired_seed: int | None = None

    @property
    def full_name(self) -> str:
        """The name, and of a base of several seeds also the seed: `edm`, `edm of seed 1`."""
        return self.name if self.paired_seed is None else f"{self.name} of seed {self.paired_seed}"

    @cached_property
    def key(self) -> str:
        """Key of the base's weights, or of the examples in the place of samples."""
        return digest(
            stage="base",
            model=self.origin.recorded_model.identity,
            dataset=self.dataset.identity,
            **self.origin.identity,
        )

    @property
    def has_network(self) -> bool:
        """Whether the samples come from a model; otherwise they are examples of a dataset, and no method trains the base."""
        return isinstance(self.origin, Network)

    @property
    def has_random_weights(self) -> bool:
        """Whether random weights stand in for the base's files, in a smoke run. Their samples may have any size."""
        return isinstance(self.origin, Loaded) and self.origin.weights.is_stand_in

    @property
    def network(self) -> Network:
        """The origin of a base that has a network; ask `has_network` first."""
        assert isinstance(self.origin, Network), f"base {self.name} has no network"
        return self.origin
