"""Stage 3, sample: generated sets for each evaluation draw."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from harness.board.bases import Examples
from harness.board.cells import Cell
from harness.errors import Diverged, UserError
from harness.images.sets import ImageSet
from harness.interfaces import Batch, DataSource
from harness.sampling import drawing
from harness.sampling.drawing import DrawnSamples
from harness.stages import base as base_stage
from harness.stages import context, draws, prepare
from harness.stages.context import Context
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder
from harness.weights import state_dicts

SAMPLES = "samples.safetensors"
EXPLODED = 100.0
"""Samples whose root mean square is this many times the training data's have exploded: no metric says more than that."""


def run(cell: Cell, finetuned: Output | None, at: Context) -> Output:
    """The cell's sample sets: tensors `x.D` and `labels.D` for draw D; facts: NFE, seconds, the hash of the whole and of each.

    Args:
        finetuned: the weights to draw from; None for data in the place of a model.
    """
    at.reporter.stage("sample")
    return outputs.once(at.layout, "sample", cell.sample_key, lambda folder: _sample(cell, finetuned, at, folder))


def load(output: Output, draw: int) -> Batch:
    """One sample set, on the CPU."""
    tensors = state_dicts.load(output.folder / SAMPLES)
    return Batch(tensors[f"x.{draw}"], tensors.get(f"labels.{draw}"))


def samples_file(layout: RunsFolder, cell: Cell) -> Path:
    """Return the path of the cell's sample sets in a runs folder, whether or not they have been drawn."""
    return layout.stage("sample", cell.sample_key) / SAMPLES


def read_draw(path: Path, draw: int) -> Batch:
    """Read one sample set of a file, on the CPU, and leave the others on the disk."""
    labels = f"labels.{draw}"
    with safe_open(path, framework="pt") as file:
        return Batch(file.get_tensor(f"x.{draw}"), file.get_tensor(labels) if labels in set(file.keys()) else None)


def images(output: Output, draw: int) -> ImageSet:
    """One sample set as images, read from the file batch by batch."""
    return images_in(output.folder / SAMPLES, draw)


def images_in(path: Path, draw: int, name: str = "the generated samples") -> ImageSet:
    """The same, of the file alone."""
    with safe_open(path, framework="pt") as file:
        n, *shape = file.get_slice(f"x.{draw}").get_shape()

    def part(start: int, end: int) -> Tensor:
        with safe_open(path, framework="pt") as file:
            return file.get_slice(f"x.{draw}")[start:end]

    return ImageSet.of_floats(name, n, tuple(shape), part)


def _sample(cell: Cell, finetuned: Output | None, at: Context, folder: Path) -> dict[str, object]:
    source = context.dataset(cell.base.dataset)
    draws_of = _drawing(cell, finetuned, source, at)
    tensors: dict[str, Tensor] = {}
    hashes: list[str] = []
    started, evaluations = time.perf_counter(), 0.0
    for draw in range(cell.evaluation.draws):
        drawn = draws_of(draw)
        tensors[f"x.{draw}"] = drawn.batch.x
        if drawn.batch.labels is not None:
            tensors[f"labels.{draw}"] = drawn.batch.labels
        hashes.append(state_dicts.sha256({"x": drawn.batch.x}))
        evaluations += drawn.nfe
        at.reporter.step(draw + 1, cell.evaluation.draws, {})
    state_dicts.save(tensors, folder / SAMPLES)
    return {
        "nfe": evaluations / cell.evaluation.draws,
        "seconds": time.perf_counter() - started,
        "samples_sha256": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        "draws_sha256": hashes,
    }


def _drawing(cell: Cell, finetuned: Output | None, source: DataSource, at: Context) -> Callable[[int], DrawnSamples]:
    """Return what gives the samples of each draw."""
    if isinstance(cell.base.origin, Examples):
        return _examples(cell, cell.base.origin, source)
    assert finetuned is not None
    return _generated(cell, finetuned, source, at)


def _generated(cell: Cell, finetuned: Output, source: DataSource, at: Context) -> Callable[[int], DrawnSamples]:
    """Samples of the fine-tuned model, by draw."""
    network = base_stage.load(cell.base, finetuned, source, at)
    sampler = prepare.sampler(cell.base, at)

    def drawn(draw: int) -> DrawnSamples:
        samples = drawing.draw_decoded(
            sampler, network, source.spec,
            n=cell.evaluation.samples, seed=cell.seed, purpose=f"evaluation/{draw}",
            batch=cell.evaluation.batch, device=at.device,
        )  # fmt: skip
        _check_size(samples.batch.x, source, at)
        return samples

    return drawn


def _examples(cell: Cell, examples: Examples, source: DataSource) -> Callable[[int], DrawnSamples]:
    """Examples of the data in the place of a model, by draw. Raises: UserError for examples of another shape."""
    data = context.dataset(examples.dataset)
    if data.spec.shape != source.spec.shape:
        raise UserError(
            f"base {cell.base.name}: examples of {examples.dataset.name} have the shape {data.spec.shape}, "
            f"those of {cell.base.dataset.name} {source.spec.shape}"
        )

    def drawn(draw: int) -> DrawnSamples:
        number, _ = draws.in_place(cell.seed, draw)
        return DrawnSamples(data.evaluation(number, cell.evaluation.samples), nfe=0.0)

    return drawn


def _check_size(samples: Tensor, source: DataSource, at: Context) -> None:
    def size(x: Tensor) -> float:
        return float(torch.sqrt((x.double() ** 2).mean()))

    generated, real = size(samples), size(context.training_data(source, at.device).x)
    if generated > EXPLODED * real:
        raise Diverged(f"samples exploded: root mean square {generated:.3g}, the training data's {real:.3g}")
