"""The task that the harness hands a method: its model, references, and banks of generated samples."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.capabilities import Constrains
from harness.interfaces import Batch, DataSpec, SampleFunction
from harness.sampling import drawing
from harness.sampling.counting import EvaluationCounter
from harness.store import outputs
from harness.store.keys import digest
from harness.store.runs_folder import RunsFolder
from harness.streams import SampleStreams
from harness.training import numerics, parts
from harness.training.config import TrainingConfig
from harness.weights import state_dicts


def constrain(model: torch.nn.Module) -> None:
    """Bring the weights back to where the model keeps them, if it does."""
    if isinstance(model, Constrains):
        model.constrain()


@dataclass(frozen=True)
class BankSource:
    """How banks are drawn.

    Args:
        identity: of the sampler, for keys.
        seed: of the cell.
        batch: samples at once.
    """

    layout: RunsFolder
    sampler: SampleFunction
    identity: Mapping[str, object]
    seed: int
    batch: int


class LiveTask:
    """Implements `harness.training.method.Task`, and counts what the method uses."""

    def __init__(
        self,
        model: torch.nn.Module,
        spec: DataSpec,
        device: torch.device,
        training: TrainingConfig,
        banks: BankSource | None,
    ) -> None:
        self.model, self.spec, self.device = model, spec, device
        self.steps, self.batch, self._training = training.steps, training.batch, training
        numerics.prepare(model, training)
        constrain(model)  # before a method copies it as a reference
        self.counter = EvaluationCounter()
        self.counter.watch(model)
        self.bank_costs: dict[str, float] = {}
        """Network evaluations of each bank, by key: each counts once, however often training resumes."""
        self._found_seconds = 0.0
        self._banks = banks

    def parts(self, n: int) -> list[slice]:
        """n examples in micro-batches."""
        return parts.cut(n, self._training.micro_batch)

    def frozen_copy(self) -> torch.nn.Module:
        """A copy without gradients, in eval mode, whose evaluations count."""
        # The hook of the counter is copied with the module; the memo makes the copy report to the same counter.
        twin = copy.deepcopy(self.model, {id(self.counter): self.counter})
        twin.eval().requires_grad_(False)
        numerics.prepare(twin, self._training)  # what is compiled is no part of a copy
        return twin

    def bank(self, model: torch.nn.Module, n: int, name: str) -> Batch:
        """n samples of `model`, from the store or drawn now."""
        banks = self._banks
        if banks is None:
            raise RuntimeError("pretraining has no bank of generated samples: there is no model to draw from yet")
        key = digest(
            stage="bank",
            weights=state_dicts.sha256(model.state_dict()),
            sampler=dict(banks.identity),
            seed=banks.seed,
            name=name,
            n=n,
            batch=banks.batch,
        )
        output = outputs.once(banks.layout, "bank", key, lambda folder: self._draw(folder, model, n, name, banks))
        seconds, evaluations = output.facts["seconds"], output.facts["network_evaluations"]
        assert isinstance(seconds, int | float)
        assert isinstance(evaluations, int | float)
        if not output.is_fresh and key not in self.bank_costs:
            self._found_seconds += float(seconds)  # drawn before a kill, or by a twin of this cell: it costs the same
        self.bank_costs[key] = float(evaluations)
        tensors = state_dicts.load(output.folder / "bank.safetensors")
        return Batch(tensors["x"], tensors.get("labels"), torch.arange(len(tensors["x"]))).to(self.device)

    @torch.no_grad()
    def sample(self, model: torch.nn.Module, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """n samples of `model`, drawn now; the counter sees them as it sees all the method's evaluations."""
        if self._banks is None:
            raise RuntimeError("pretraining has no sampler: there is no model to draw from yet")
        seed = int(torch.randint(2**62, (), generator=generator))
        return self._banks.sampler(model, self.spec, SampleStreams(seed, "sample", range(n), self.device), labels)

    def take_found_seconds(self) -> float:
        """Seconds that banks cost which were found, not drawn, since the last call."""
        seconds, self._found_seconds = self._found_seconds, 0.0
        return seconds

    def _draw(self, folder: Path, model: torch.nn.Module, n: int, name: str, banks: BankSource) -> dict[str, object]:
        started, before = time.perf_counter(), self.counter.examples
        with numerics.in_float32(self.device):  # banks are drawn inside of steps
            drawn = drawing.draw(
                banks.sampler,
                model,
                self.spec,
                n=n,
                seed=banks.seed,
                purpose=f"bank/{name}",
                batch=banks.batch,
                device=self.device,
            )
        self.counter.examples = before  # counted by key in bank_costs instead, so that a found bank costs the same
        tensors = {"x": drawn.batch.x}
        if drawn.batch.labels is not None:
            tensors["labels"] = drawn.batch.labels
        state_dicts.save(tensors, folder / "bank.safetensors")
        return {"seconds": time.perf_counter() - started, "network_evaluations": drawn.nfe * n}
