"""A sampler of a base, made ready to draw: it gets the networks that it calls, and what it has to measure on the base."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import torch

from harness.board.bases import Base
from harness.board.components import Resolved
from harness.components import Sampler
from harness.errors import PluginFault
from harness.indexed import IndexedExamples, read_examples
from harness.interfaces import Batch, GuidedSampler, PreparedSampler, SampleFunction
from harness.sampling import drawing, latents
from harness.sampling.counting import EvaluationCounter
from harness.stages import base as base_stage
from harness.stages import encoding, sources
from harness.stages.checked import CheckedSource
from harness.stages.checked_sets import spread_rows
from harness.stages.context import Context
from harness.stages.facts import BaseFacts, PreparationFacts
from harness.store import outputs
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.streams import stream
from harness.weights import state_dicts

PREPARED = "prepared.safetensors"
LARGEST = 2**29
"""Bytes of the training examples that a sampler gets to prepare with. Of a larger set it gets evenly spread examples."""


class BaseSampler:
    """A sampler of a base's cells. Nothing is loaded or prepared before it is asked for, and nothing twice.

    Args:
        base: a base that has a network.
        source: the board's dataset.
        sampler: by default the base's own, which draws in training.
    """

    def __init__(self, base: Base, source: CheckedSource, context: Context, sampler: Resolved[Sampler] | None = None) -> None:
        self._base, self._source, self._context = base, source, context
        self._sampler = base.network.sampler if sampler is None else sampler
        self._sources = sources.of(self._sampler)
        self._code = sources.of(self._sampler, base.network.model, base.dataset)
        self._function = self._create()
        self._made: dict[str, Output] = {}

    def _create(self) -> SampleFunction:
        return self._sampler.component.create(self._sampler.settings)

    @cached_property
    def ready(self) -> SampleFunction:
        """The sampler, ready to draw.

        An object that has prepared draws nothing. A new object takes what was kept, as in a process that finds the preparation
        done: what a sampler remembers beside that would else give other numbers after a kill.
        """
        if not self._needs_preparation:
            return self._with_networks(self._function)
        for base in self._bases:
            self._output(base)  # a base that is made anew only after the preparation was found could not be compared with it
        function = self._with_networks(self._create())
        if isinstance(function, PreparedSampler) and self.preparation is not None:
            function.use(state_dicts.load(self.preparation.folder / PREPARED))
        return function

    @property
    def _needs_preparation(self) -> bool:
        return isinstance(self._function, PreparedSampler) and self._function.needs_preparation

    @property
    def _bases(self) -> tuple[Base, ...]:
        """The base that is measured, and those whose networks the sampler calls."""
        return self._base, *self._sampler.bases

    @property
    def weights_called(self) -> dict[str, str]:
        """Hash of the weights of each other base whose network the sampler calls, by the base's key."""
        return self._weights_of(self._sampler.bases)

    def _weights_of(self, bases: Iterable[Base]) -> dict[str, str]:
        return {base.key: BaseFacts.of(self._output(base)).weights_sha256 for base in bases}

    @property
    def sources(self) -> list[SourceFacts]:
        """The code of the sampler, and of what it has used so far: other bases, and its preparation."""
        prepared = [] if self.preparation is None else sources.of_facts(self.preparation.facts)
        return sources.merged(self._sources, prepared)

    @cached_property
    def preparation(self) -> Output | None:
        """The output with everything that the sampler keeps of the base; None for a sampler that needs no preparation.

        See `harness.stages.facts.PreparationFacts`.
        """
        function = self._function
        if not (isinstance(function, PreparedSampler) and function.needs_preparation):
            return None
        key = digest(stage="prepare", base=self._base.key, sampler=self._sampler.identity)
        return self._context.once(
            "prepare", key, lambda folder: self._prepare(function, folder), self._code, is_outdated=self._is_of_other_weights
        )

    def _is_of_other_weights(self, preparation: Output) -> bool:
        """Return whether a preparation was measured on other weights than the bases have now: one may have been made anew.

        An absent base is compared with nothing. What an older version prepared, on weights that nobody noted, stays in use until
        it is to be made anew.
        """
        measured = PreparationFacts.of(preparation).base_weights_sha256
        if not measured:
            return self._context.makes_anew
        return self._are_other_weights(self._bases, measured)

    def calls_other_weights(self, noted: Mapping[str, str]) -> bool:
        """Return whether samples were drawn with other weights of the bases that the sampler calls than these have now.

        An absent base is compared with nothing. Samples of an older version, which noted nothing, stay in use.

        Args:
            noted: hash of the weights that the samples were drawn with, by the base's key.
        """
        return bool(noted) and self._are_other_weights(self._sampler.bases, noted)

    def _are_other_weights(self, bases: Iterable[Base], noted: Mapping[str, str]) -> bool:
        for base in bases:
            made = self._made.get(base.key)
            facts = outputs.find_facts(self._context.runs, "base", base.key) if made is None else made.facts
            if facts is not None and facts["weights_sha256"] != noted.get(base.key):
                return True
        return False

    def _with_networks(self, function: SampleFunction) -> SampleFunction:
        """Give a new sampler the networks of the other bases that it calls. Returns: the sampler."""
        if isinstance(function, GuidedSampler):
            function.take_networks({base.name: self._network(base) for base in self._sampler.bases})
        return function

    def _prepare(self, function: PreparedSampler, folder: Path) -> dict[str, object]:
        self._context.reporter.stage("prepare")
        others = drawing.extra_networks(self._with_networks(function))
        network, seed = self._network(self._base).requires_grad_(False), self._base.network.seed
        counter, started = EvaluationCounter(), time.perf_counter()
        for watched in (network, *others):
            counter.watch(watched)
        kept = encoding.examples(network, self._base.network.model, self._source, self._context, base=self._base)
        train = latents.network_batch(network, _bounded(kept.examples).to(self._context.device), stream(seed, "prepare latents"))
        space = latents.network_spec(network, self._source.spec)
        prepared = checked_tensors(
            function.prepare(network, space, train, stream(seed, "prepare")), f"sampler {self._sampler.name}: prepare"
        )
        state_dicts.save({name: tensor.detach().cpu() for name, tensor in prepared.items()}, folder / PREPARED)
        made_by = sources.merged(self._sources, kept.sources, self._code)
        facts = PreparationFacts(
            seconds=time.perf_counter() - started,
            network_evaluations=counter.examples,
            sources=made_by,
            own_sources=self._code,
            base_weights_sha256=self._weights_of(self._bases),
        )
        return facts.model_dump()

    def _network(self, base: Base) -> torch.nn.Module:
        output = self._output(base)
        self._sources = sources.merged(self._sources, sources.of_facts(output.facts))
        return base_stage.load(base, output, self._source, self._context)

    def _output(self, base: Base) -> Output:
        if base.key not in self._made:
            self._made[base.key] = base_stage.run(base, self._source, self._context)
        return self._made[base.key]


def _bounded(examples: IndexedExamples) -> Batch:
    """Return all examples; of a set that takes more than LARGEST bytes as float32, evenly spread ones."""
    first = read_examples(examples, torch.zeros(1, dtype=torch.int64)).x
    most = max(1, LARGEST // (first.numel() * first.element_size()))
    return read_examples(examples, spread_rows(len(examples), most))


def checked_tensors(given: object, what: str) -> Mapping[str, torch.Tensor]:
    """Return tensors by name, as a plugin gave them. Raises: PluginFault, which begins with `what`, for anything else."""
    must = "it must give tensors by name"
    if not isinstance(given, Mapping):
        raise PluginFault(f"{what} gave {'None' if given is None else f'a {type(given).__name__}'}; {must}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise PluginFault(f"{what} gave a {type(value).__name__} as {name!r}; {must}")
    return given
