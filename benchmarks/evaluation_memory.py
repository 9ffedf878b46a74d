"""Peak memory of each stage of an evaluation: 50,000 samples of 64x64 in colour are drawn, stored, extracted and measured.

    OMP_NUM_THREADS=1 python benchmarks/evaluation_memory.py
    OMP_NUM_THREADS=1 python benchmarks/evaluation_memory.py --samples 2000 --features 64     # a trial in half a minute

Each stage is the harness's own, in a process of its own, on a board of made-up components: a sampler that blurs noise, a small
extractor, and real images that are noise too, so that the time is of the harness. All samples as float32 would be 2.5 GB.
The command ends with 1 where a stage takes more than BOUND.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from harness import Dataset, Extractor, Model, NoConfig, Sampler, hookimpl
from harness.board.reading.load import load_board
from harness.indexed import IndexedExamples, IndexedSource, StoredExamples
from harness.indexed_sets import IdentifiedSet, InMemory
from harness.interfaces import DataSpec
from harness.plugins import Registry
from harness.process.peak_memory import PeakMemory
from harness.run import export, kept
from harness.stages import base as base_stage
from harness.stages import features, finetune, metrics, sample
from harness.stages.context import Context
from harness.stages.example_sets import SAMPLES, IdentifiedImages, RealExamples, StoredSamples, draw_rows
from harness.stages.facts import SampleFacts
from harness.stages.options import JobOptions
from harness.store.runs_folder import RunsFolder
from harness.streams import SampleStreams, stream
from harness.weights import state_dicts

BOUND = 1.5e9
"""Bytes that no stage may take."""
SIDE = 64
BOARD = """\
title: Memory
dataset: noise-64
bases:
  net: {{model: tint, weights: {weights}}}
methods: {{none: }}
seeds: [0]
evaluation: {{samples: {samples}, batch: 500}}
metrics: {{"fid[pooled]": }}
"""


class Noise(IndexedSource):
    """Images of random bytes, each from a stream of its own, that are made when they are read."""

    largest_evaluation = None

    def __init__(self, config: NoConfig) -> None:
        self.spec = DataSpec((3, SIDE, SIDE), preview="images")

    def training_set(self) -> IdentifiedSet:
        """Return 1,000 images."""
        return IdentifiedSet(InMemory(Made(0, 1_000).read(torch.arange(1_000))), self.spec, "noise-64")

    def evaluation_set(self, draw: int, n: int) -> IndexedExamples:
        """Return images of this draw's own streams."""
        return Made(1 + draw, n)


class Made(IndexedExamples):
    """The images of one draw."""

    def __init__(self, draw: int, n: int) -> None:
        self.draw, self.n = draw, n

    def __len__(self) -> int:
        return self.n

    def read(self, rows: Tensor) -> StoredExamples:
        """Make the images of these numbers."""
        shape = (3, SIDE, SIDE)
        made = [
            torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(self.draw, "noise", row)) for row in rows.tolist()
        ]
        return StoredExamples(torch.stack(made))


class Tint(torch.nn.Module):
    """A network of three numbers."""

    def __init__(self, config: NoConfig, spec: DataSpec) -> None:
        super().__init__()
        self.colour = torch.nn.Parameter(torch.tensor([0.1, 0.0, -0.1]).reshape(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Tint images."""
        return torch.tanh(x + self.colour)


class Blur:
    """A sampler: noise at an eighth of the size, made large, and one call of the network."""

    def __init__(self, config: NoConfig) -> None:
        pass

    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one image for each stream."""
        noise = torch.nn.functional.interpolate(streams.normal(3, SIDE // 8, SIDE // 8), size=(SIDE, SIDE), mode="bilinear")
        drawn: Tensor = model(noise)
        return drawn


class Pooled(torch.nn.Module):
    """Random projections of pooled pixels."""

    preprocessing, weights_sha256, images_on_cpu = "averaged to 8x8, / 255", "0" * 64, None
    weight: Tensor

    def __init__(self, config: NoConfig) -> None:
        super().__init__()
        self.outputs = {"features": _features}
        self.register_buffer("weight", torch.randn(192, _features, generator=stream(0, "pooled")) / 192**0.5)

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the features of images."""
        pooled = torch.nn.functional.adaptive_avg_pool2d(images.float() / 255, 8).flatten(1)
        return {"features": torch.relu(pooled @ self.weight)}


_features = 512
"""Features of `Pooled`; the command line sets it."""


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide the images that stand for real ones."""
    return [Dataset("noise-64", build="evaluation_memory:Noise", spec="evaluation_memory:spec", summary="noise")]


@hookimpl
def harness_models() -> list[Model]:
    """Provide the network."""
    return [Model("tint", build="evaluation_memory:Tint", provides=frozenset(), sampler="blur", summary="three numbers")]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide the sampler."""
    return [Sampler("blur", build="evaluation_memory:Blur", summary="blurred noise")]


@hookimpl
def harness_extractors() -> list[Extractor]:
    """Provide the extractor."""
    return [Extractor("pooled", build="evaluation_memory:Pooled", outputs={"features": _features}, summary="projections")]


def spec(config: NoConfig) -> DataSpec:  # noqa: ARG001 - as components call it
    """Return the form of the images, without making any."""
    return DataSpec((3, SIDE, SIDE), preview="images")


class Evaluation:
    """The stages of the board's only cell, on a runs folder."""

    def __init__(self, folder: Path, samples: int) -> None:
        weights = folder / "tint.safetensors"
        state_dicts.save(Tint(NoConfig(), spec(NoConfig())).state_dict(), weights)
        (folder / "board.yaml").write_text(BOARD.format(weights=weights, samples=samples), encoding="utf-8")
        own = metadata.EntryPoint("evaluation_memory", "evaluation_memory", "harness")
        board = load_board(folder, plugins=Registry([*metadata.entry_points(group="harness"), own]))
        self.cell, self.folder = board.cells[0], folder
        self.context = Context(RunsFolder(folder / "runs"), JobOptions("cpu"), "memory")
        self.source = self.context.dataset(board.dataset)

    def draw(self) -> object:
        """Draw the samples and store them."""
        weights = finetune.run(self.cell, base_stage.run(self.cell.base, self.source, self.context), self.source, self.context)
        self.samples = sample.run(self.cell, weights, self.source, self.context).output
        return round(SampleFacts.of(self.samples).seconds, 1)

    def features_of_samples(self) -> object:
        """Extract features of the stored samples."""
        self.draw()
        sha256 = SampleFacts.of(self.samples).draws_sha256[0]
        return self._extract(StoredSamples(self.samples.folder / SAMPLES, 0, sha256, self.cell.evaluation.samples).images())

    def features_of_real_images(self) -> object:
        """Extract features of as many real images."""
        return self._extract(RealExamples(self.source, 0, self.cell.evaluation.samples).images())

    def fid(self) -> object:
        """Compute FID of the features that are stored."""
        self.draw()
        return metrics.run(self.cell, self.samples, self.source, self.context)["fid[pooled]"].measured.values

    def png(self) -> object:
        """Write 2,000 of the samples as PNG files."""
        self.draw()
        file, count = self.samples.folder / SAMPLES, min(2_000, self.cell.evaluation.samples)
        examples = kept.KeptExamples("draw 0", draw_rows(file, 0), None)
        export.write_images(examples, count, self.folder / "png")
        return count

    def _extract(self, images: IdentifiedImages) -> int:
        extractor = self.cell.columns[0].extractor
        assert extractor is not None
        return features.extracted(images, {"moments"}, extractor, self.context).n or 0


STAGES: Mapping[str, Callable[[Evaluation], object]] = {
    "draw and store": Evaluation.draw,
    "features of samples": Evaluation.features_of_samples,
    "features of real images": Evaluation.features_of_real_images,
    "FID": Evaluation.fid,
    "PNG": Evaluation.png,
}


def measured(stage: str, folder: Path, samples: int) -> dict[str, object]:
    """Run a stage in this process, and return its peak memory, time and result."""
    began, memory = time.perf_counter(), PeakMemory("cpu")
    result = STAGES[stage](Evaluation(folder, samples))
    return {"stage": stage, "bytes": memory.read(), "seconds": round(time.perf_counter() - began, 1), "result": result}


def main() -> int:
    """Run every stage in a process of its own. Returns: 1 where one takes too much memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        import evaluation_memory  # the module that the components name, and not the program that this file is

        evaluation_memory._features = options.features
        print(json.dumps(evaluation_memory.measured(options.stage, options.folder, options.samples)))
        return 0
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            line = [sys.executable, __file__, "--stage", stage, "--folder", folder, *map(str, ("--samples", options.samples))]
            done = subprocess.run([*line, "--features", str(options.features)], check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            peaks.append(found["bytes"])
            print(f"{stage:<24} {found['bytes'] / 1e6:>6.0f} MB  {found['seconds']:>7.1f} s  {found['result']}", flush=True)
        size = sum(file.stat().st_size for file in Path(folder).glob(f"runs/stages/sample/*/{SAMPLES}"))
        print(f"the samples on the disk: {size / 1e6:.0f} MB")
    return 1 if max(peaks) > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
