"""The task that the harness gives a method: the model, frozen references, and banks of generated samples."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Constrains
from harness.interfaces import DataSpec, SampleFunction
from harness.process.crew import ALONE, Crew
from harness.process.inference_precision import FULL, Precision, computing_in
from harness.sampling import drawing, sharing
from harness.sampling.counting import EvaluationCounter
from harness.sampling.drawing import DrawnSamples
from harness.store import outputs
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder
from harness.streams import SampleStreams
from harness.training import micro_batches, precision, replicas
from harness.training.bank_rows import load_bank
from harness.training.config import TrainingConfig
from harness.training.evaluations import Evaluations
from harness.training.method import Bank
from harness.training.shared_network import GradientMeans, share_network
from harness.weights import state_dicts, tensor_rows
from harness.weights.tensor_rows import TensorRows

BANK = "bank.safetensors"
"""The file of a bank of generated samples: `x`, (n, …), and `labels`, (n,), for labelled data."""


def constrain(model: torch.nn.Module) -> None:
    """Call the model's `constrain` if it has the capability `Constrains`; else do nothing."""
    if isinstance(model, Constrains):
        model.constrain()


@dataclass(frozen=True)
class BankSource:
    """The sampler and the settings that banks of generated samples are drawn with, and the folder that stores them.

    Args:
        runs: the runs folder.
        sampler: the cell's sampler, ready to draw.
        identity: the part of the keys of banks that identifies the base and the sampler, as JSON values. Weights alone do not say
            what is drawn: samplers go by settings of the model too, such as its noise levels or the length of its chain.
        seed: the cell's seed.
        batch: samples drawn at once.
        sources: the code that draws, as JSON values for the manifests of banks.
        weights: hash of the weights of each base whose network the sampler calls, by the base's key. The keys of banks hold the
            bases and not their weights, which may be made anew.
        precision: in which networks compute where samples are drawn, also those of a step.
        is_outdated: whether a stored bank is drawn anew, in the place of being used.
    """

    runs: RunsFolder
    sampler: SampleFunction
    identity: Mapping[str, object]
    seed: int
    batch: int
    sources: Sequence[Mapping[str, object]] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    precision: Precision = FULL
    is_outdated: Callable[[Output], bool] = lambda _: False


class TrainingTask:
    """The harness's implementation of `harness.training.method.Task`. It stores banks, and counts the costs of the method.

    Args:
        model: the network to train, on `device`.
        training: the budget, and how the network computes.
        banks: None in pretraining, where there is no model to draw from yet.
        crew: the processes of the job, which take the steps of the training together.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        spec: DataSpec,
        device: torch.device,
        training: TrainingConfig,
        banks: BankSource | None,
        crew: Crew = ALONE,
    ) -> None:
        self.model, self.spec, self.device = model, spec, device
        self.steps, self.batch, self._training = training.steps, training.batch, training
        self.crew = crew
        self._gradients: GradientMeans | None = None
        if crew.size > 1:
            share_network(model, is_compiled=training.compile)
        precision.prepare_network(model, training)
        constrain(model)  # before a method copies the model as a reference
        self.counter = EvaluationCounter()
        self.counter.watch(model)
        self.bank_costs: dict[str, float] = {}
        """Network evaluations of each bank, by key. A bank counts once, however often training resumes."""
        self._seconds_of_reused_banks = 0.0
        self._banks = banks

    def micro_batches(self, n: int) -> list[slice]:
        """Cut n examples into micro-batches of the size in the settings, on each device."""
        size = self._training.micro_batch
        return micro_batches.slices(n, None if size is None else size * self.crew.size)

    def begin_together(self) -> None:
        """Take the steps from now on together with the other processes of the job. Each calls this after it made the method."""
        if self.crew.group is not None:
            self.crew.is_together = True
            self._gradients = GradientMeans(self.crew.group)
            self._gradients.watch(self.model.parameters())
            self.crew.group.gather(torch.zeros(1, device=self.device))  # all are here: no step waits for one that still begins

    def end_together(self) -> None:
        """Take no more steps together."""
        self.crew.is_together, self._gradients = False, None

    def sharing(self) -> AbstractContextManager[object]:
        """Return the context of a step, in which the processes of the job share the batches of networks."""
        return nullcontext() if self._gradients is None else self._sharing(self._gradients)

    @contextmanager
    def _sharing(self, gradients: GradientMeans) -> Iterator[None]:
        gradients.is_on = True
        try:
            with sharing.shared(gradients.group, gradients.places):
                yield
        finally:
            gradients.is_on = False

    def check_replicas(self, name: str, step: int) -> None:
        """Check that all processes hold the same weights. Raises: UserError in all of them where they do not."""
        if self._gradients is not None:
            replicas.check(self.model, self._gradients.group, name, step)

    def evaluations(self) -> Evaluations:
        """Return what went through networks so far, without the curve's. A checkpoint of an older version makes the numbers
        meaningless, but not their sum, which is a cost."""
        counter, banks = self.counter, round(sum(self.bank_costs.values()))
        return Evaluations(counter.examples - counter.examples_with_graph + banks, counter.examples_with_graph, 0)

    def frozen_copy(self) -> torch.nn.Module:
        """Copy `model` as it is now, without gradients, in eval mode. The copy's evaluations count too."""
        # deepcopy copies the counter's hook with the module. The memo keeps the counter itself from being copied.
        twin = copy.deepcopy(self.model, {id(self.counter): self.counter})
        twin.eval().requires_grad_(False)
        precision.prepare_network(twin, self._training)  # a copied module is not compiled
        return twin

    def bank(self, model: torch.nn.Module, n: int, name: str, *, as_tokens: bool = False) -> Bank:
        """Return n samples of `model`, or their tokens: read from the store if they were drawn before, else drawn now."""
        banks = self._banks
        if banks is None:
            raise RuntimeError("pretraining has no bank of generated samples: there is no model to draw from yet")
        key = digest(
            stage="bank",
            weights=state_dicts.sha256(model.state_dict()),
            identity=dict(banks.identity),
            seed=banks.seed,
            name=name,
            n=n,
            batch=banks.batch,
            # Left out otherwise: other banks keep their keys.
            **({"form": "tokens"} if as_tokens else {}),
            **({} if banks.precision == FULL else {"precision": banks.precision}),
        )
        with sharing.shared(None):  # a bank is shared out by batches, whole samples
            output = self._bank(key, model, n, name, banks, as_tokens)
        seconds, evaluations = output.facts["seconds"], output.facts["network_evaluations"]
        assert isinstance(seconds, int | float)
        assert isinstance(evaluations, int | float)
        if not output.is_fresh and key not in self.bank_costs:
            # The bank was drawn before a kill, or by another cell with the same base and seed. It counts as if it were drawn now.
            self._seconds_of_reused_banks += float(seconds)
        self.bank_costs[key] = float(evaluations)
        return load_bank(output.folder / BANK, self._training.data, self.device)

    def _bank(self, key: str, model: torch.nn.Module, n: int, name: str, banks: BankSource, as_tokens: bool) -> Output:
        """Return the bank under a key. In the steps of several processes, the lead finds or draws it, and the others help."""
        if self.crew.is_together and not self.crew.is_lead:
            with computing_in(banks.precision, self.device), self.counter.apart():
                output = self.crew.serve(lambda numbers: self._drawn(model, n, name, banks, as_tokens, cast(range, numbers)))
            return cast(Output, output)
        output = outputs.once(
            banks.runs,
            "bank",
            key,
            lambda folder: self._draw(folder, model, n, name, banks, as_tokens),
            is_outdated=banks.is_outdated,
        )
        self.crew.release(output)
        return output

    @torch.no_grad()
    def sample(
        self, model: torch.nn.Module, n: int, labels: Tensor | None, generator: torch.Generator, *, as_tokens: bool = False
    ) -> Tensor:
        """Draw n new samples of `model`, or their tokens. The counter counts their evaluations like all others of the method."""
        if self._banks is None:
            raise RuntimeError("pretraining has no sampler: there is no model to draw from yet")
        sampler, seed = self._banks.sampler, int(torch.randint(2**62, (), generator=generator))

        def drawn(numbers: Tensor, labels: Tensor | None) -> Tensor:
            streams = SampleStreams(seed, "sample", numbers.tolist(), self.device)
            if as_tokens:
                return drawing.drawn_tokens(sampler, model, streams, labels)
            samples = sampler(model, self.spec, streams, labels)
            return drawing.checked_samples(sampler, samples, (len(streams), *self.spec.shape))

        with computing_in(self._banks.precision, self.device):  # not in that of a step that autocasts
            return sharing.by_rows(drawn, torch.arange(n), labels)

    def take_seconds_of_reused_banks(self) -> float:
        """Return the seconds that drawing took, at the time, for the banks that were reused since the last call."""
        seconds, self._seconds_of_reused_banks = self._seconds_of_reused_banks, 0.0
        return seconds

    def _draw(
        self, folder: Path, model: torch.nn.Module, n: int, name: str, banks: BankSource, as_tokens: bool
    ) -> dict[str, object]:
        started = time.perf_counter()
        # Banks are drawn inside steps, which may autocast. They are counted by key in `bank_costs`, so that a reused one costs
        # the same.
        with computing_in(banks.precision, self.device), self.counter.apart():
            evaluations = self._fill(folder / BANK, model, n, name, banks, as_tokens)
        return {
            "seconds": time.perf_counter() - started,
            "network_evaluations": evaluations / n * n,
            "sources": list(banks.sources),
            "base_weights_sha256": dict(banks.weights),
        }

    def _fill(self, file: Path, model: torch.nn.Module, n: int, name: str, banks: BankSource, as_tokens: bool) -> int:
        """Draw a bank into a file; memory holds one batch of it. Returns: examples that went through networks."""
        stored: Mapping[str, TensorRows] = {}
        evaluations = 0
        crew = self.crew if self.crew.is_together else ALONE
        parts_of_bank = list(drawing.batches(n, banks.batch))
        each = crew.each(parts_of_bank, lambda numbers: self._drawn(model, n, name, banks, as_tokens, numbers))
        for numbers, drawn in zip(parts_of_bank, each, strict=True):
            labels = drawn.batch.labels
            parts = {"x": drawn.batch.x, **({} if labels is None else {"labels": labels})}
            if not stored:
                stored = tensor_rows.allocate(file, {key: (part.dtype, (n, *part.shape[1:])) for key, part in parts.items()})
            for key, part in parts.items():
                tensor_rows.write(stored[key], numbers.start, part)
            evaluations += drawn.evaluations
        return evaluations

    def _drawn(
        self, model: torch.nn.Module, n: int, name: str, banks: BankSource, as_tokens: bool, numbers: range
    ) -> DrawnSamples:
        """Draw some samples of a bank."""
        return drawing.draw(
            banks.sampler,
            model,
            self.spec,
            n=n,
            seed=banks.seed,
            purpose=f"bank/{name}",
            batch=banks.batch,
            device=self.device,
            indices=numbers,
            as_tokens=as_tokens,
            precision=banks.precision,
        )
