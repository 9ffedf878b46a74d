"""Memory of the stages on data that are far larger than it: 300,000 images of 64×64 in colour, 3.7 GB in a file.

    OMP_NUM_THREADS=1 python benchmarks/data_memory.py
    OMP_NUM_THREADS=1 python benchmarks/data_memory.py --images 20000 --only train

The images are noise, written to a temporary folder. Each part runs in a process of its own, which prints the peak resident set of
that process, and of the largest process that reads for it. `train`: a small EDM for --steps steps, whose loop reads the batches.
`read-ahead`: the same with two processes that read. `real`: features of 50,000 real images. `latents`: encode 50,000 images, and
read batches of what is kept. `samples`: write 50,000 samples chunk by chunk, and read them for features.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from harness.components import Method, Model
from harness.images.extraction import Extraction
from harness.images.sets import ImageSet
from harness.indexed import IndexedExamples, read_examples
from harness.indexed_sets import ChosenRows, InFile
from harness.interfaces import Batch, DataSpec, FeatureExtractor
from harness.plugins import registry
from harness.process import memory
from harness.row_files import RowFile
from harness.sampling.drawing import DrawnSamples
from harness.stages.checked_sets import checked_set, root_mean_square
from harness.stages.encoded_file import KEPT, EncodedFile
from harness.stages.example_sets import stored_images
from harness.stages.sample_file import SampleFile, SampleLayout
from harness.streams import stream
from harness.training.config import TrainingConfig
from harness.training.loop import TrainingLoop
from harness.training.placement import placed
from harness.training.reader import BatchReader
from harness.training.surroundings import Surroundings
from harness.training.task import TrainingTask
from harness.weights.tensor_rows import tensors

CPU = torch.device("cpu")
SPEC = DataSpec((3, 64, 64), preview="images")
BATCH, EVALUATED, AT_ONCE = 8, 50_000, 500
PARTS = ("train", "read-ahead", "real", "latents", "samples")
BOUND = 1.5e9


class Means(FeatureExtractor):
    """Features of an image: the means of blocks of 8×8 pixels."""

    preprocessing, weights_sha256 = "none", "0" * 64
    outputs: Mapping[str, int] = {"features": 192}

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        return {"features": torch.nn.functional.avg_pool2d(images.float(), 8).flatten(1)}


class Halves:
    """An autoencoder that keeps means of 2×2 pixels."""

    latent_shape = (3, 32, 32)

    def autoencoder_identity(self) -> dict[str, object]:
        return {}

    def encode_images(self, x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 2)

    def draw_latents(self, kept: Tensor, generator: torch.Generator) -> Tensor:
        return kept

    def decode_latents(self, latents: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(latents, scale_factor=2)


def write_images(path: Path, images: int) -> None:
    noise = torch.randint(256, (AT_ONCE, *SPEC.shape), dtype=torch.uint8, generator=stream(0, "images"))
    with path.open("wb") as file:
        for number in range(0, images, AT_ONCE):
            file.write((noise + number).numpy().data)  # the sum wraps: other noise


def stored(path: Path) -> IndexedExamples:
    images = path.stat().st_size // (3 * 64 * 64)
    return checked_set(InFile(RowFile(path, 0, (images, *SPEC.shape), torch.uint8)), SPEC, where="benchmark")


def train(examples: IndexedExamples, folder: Path, steps: int, workers: int) -> None:
    component = registry().get(Model, "edm-unet", where="benchmark")
    network = component.create(component.config.model_validate({"model_channels": 16}), SPEC).eval()
    training = TrainingConfig(images=steps * BATCH, batch=BATCH, workers=workers)
    task = TrainingTask(network, SPEC, CPU, training, banks=None)
    mle = registry().get(Method, "mle", where="benchmark")
    data = placed(examples, training.data, CPU)
    method = mle.create(mle.config(), task)
    TrainingLoop(task, method, data, training, seed=0, around=Surroundings(folder, checkpoint_seconds=1e9)).run()
    root_mean_square(examples, SPEC)  # what the check of samples asks for


def extract(images: ImageSet) -> None:
    Extraction(Means(), ["moments"], CPU).run(images)


def measure_real(examples: IndexedExamples) -> None:
    chosen = ChosenRows(examples, torch.randperm(len(examples), generator=stream(0, "draw"))[:EVALUATED])
    part = ImageSet.of_parts(
        "real", len(chosen), SPEC.shape, lambda start, end: read_examples(chosen, torch.arange(start, end)).x
    )
    extract(part)


def encode(examples: IndexedExamples, folder: Path, steps: int) -> None:
    chosen = ChosenRows(examples, torch.arange(min(EVALUATED, len(examples))))
    EncodedFile(folder / "work", "benchmark").write(Halves(), chosen, CPU, lambda _: None)
    rows = tensors(folder / "work" / KEPT)["kept"]
    kept = placed(InFile(RowFile(rows.path, rows.offset, rows.shape, rows.dtype)), "auto", CPU)
    reader = BatchReader.of(kept, TrainingConfig(images=512 * steps, batch=512), CPU, seed=0)
    for step in range(steps):
        reader.batch(step)


def write_samples(folder: Path) -> None:
    file = SampleFile.open(folder / "work", SampleLayout(1, EVALUATED, SPEC.shape, True, False), "benchmark")
    for start in range(0, EVALUATED, AT_ONCE):
        x = torch.rand(AT_ONCE, *SPEC.shape, generator=stream(0, "samples", start)) * 2 - 1
        file.add(0, start, DrawnSamples(Batch(x), AT_ONCE), 0.0)
    file.sha256(0)
    extract(stored_images(file.path, 0))


def run_part(part: str, path: Path, steps: int) -> None:
    memory.keep_freed()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if part == "samples":
            write_samples(Path(folder))
        elif part == "real":
            measure_real(stored(path))
        elif part == "latents":
            encode(stored(path), Path(folder), steps)
        else:
            train(stored(path), Path(folder), steps, workers=2 if part == "read-ahead" else 0)
    own, read = (resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    verdict = "" if max(own, read) < BOUND else f", above the bound of {BOUND / 1e6:.0f} MB"
    of_reader = f", and {read / 1e6:.0f} MB in a process that reads" if part == "read-ahead" else ""
    print(f"{part}: {own / 1e6:.0f} MB{of_reader}{verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        run_part(options.part, options.file, options.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images"
        write_images(path, options.images)
        for part in options.only:
            command = [sys.executable, __file__, "--part", part, "--file", str(path), "--steps", str(options.steps)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
