"""All metrics of one sample set over the extraction alone, and memory against the number of images.

    OMP_NUM_THREADS=1 python benchmarks/metrics_pass.py cost --extractor inception --images 5000
    OMP_NUM_THREADS=1 python benchmarks/metrics_pass.py memory --extractor fashion-cnn

`cost` extracts random images once, and measures fid, fd, sfid, kid, is, precision, recall, density and coverage against a set
of the same size. The features of that set are there already, as reference features are. `cost` prints seconds of this process's
CPU. `inception` has random weights here, since its cost does not depend on them. `memory` runs fid alone in processes of their
own, and prints their peak resident sets.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from harness.components import Extractor, Metric
from harness.features import FeatureSet, Moments
from harness.images.extraction import Extraction
from harness.images.sets import ImageSet
from harness.interfaces import FeatureExtractor
from harness.plugins import registry
from harness.process import memory as memory_of_the_process

METRICS = ("fid", "fd", "sfid", "kid", "is", "precision", "recall", "density", "coverage")
NEEDS = {"moments", "features", "logits", "spatial"}
BOUND = 1.15
T = TypeVar("T")


def extractor_of(name: str, seed: int) -> FeatureExtractor:
    """Return the extractor of this name; for `inception`, torch-fidelity's network with random weights."""
    if name == "inception":
        return RandomInception(seed)
    component = registry().get(Extractor, name, where="--extractor")
    component.check_readiness(component.config())
    built = component.create(component.config())
    return built.eval().requires_grad_(False) if isinstance(built, torch.nn.Module) else built


class RandomInception:
    """torch-fidelity's network and resizing, with random weights and the outputs of the extractor `inception`.

    Weights keep the scale of activations (He et al. 2015): by the library's own, features are 1e-8 and vanish in fp16.
    """

    preprocessing, weights_sha256, images_on_cpu = "torch-fidelity's", "0" * 64, 25
    outputs: Mapping[str, int] = {"features": 2048, "logits": 1008, "spatial": 2023}

    def __init__(self, seed: int) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        class Fresh(FeatureExtractorInceptionV3):
            def load_state_dict(self, *arguments: object, **settings: object) -> None:
                """Keep the initial weights: the file is empty."""

        empty_file = io.BytesIO()
        torch.save({}, empty_file)
        empty_file.seek(0)
        torch.manual_seed(seed)
        self.network = Fresh("random", ["2048", "logits_unbiased"], feature_extractor_weights_path=empty_file).eval()
        for module in self.network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
        self.network.Mixed_6d.register_forward_hook(self._keep)

    def _keep(self, module: torch.nn.Module, inputs: object, output: Tensor) -> None:
        self.spatial = output[:, :7].permute(0, 2, 3, 1).flatten(1)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs for grey or colour images (B, C, H, W), bytes."""
        with torch.no_grad():
            features, logits = self.network(images.expand(-1, 3, -1, -1))
        return {"features": features, "logits": logits, "spatial": self.spatial}


def random_images(n: int, size: int, channels: int, seed: int) -> ImageSet:
    """Return a set of n random images, which are made while they are read."""

    def batches(batch: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        for start in range(0, n, batch):
            yield torch.randint(0, 256, (min(batch, n - start), channels, size, size), generator=generator, dtype=torch.uint8)

    return ImageSet("samples", n, (channels, size, size), batches)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result of the work, and its seconds of CPU."""
    started = time.process_time()
    return work(), time.process_time() - started


def reference(generated: FeatureSet) -> FeatureSet:
    """Return the rows with a little noise: another set of the same size, without another extraction."""
    generator = torch.Generator().manual_seed(1)
    rows = {}
    for need in ("features", "logits"):
        own = torch.from_numpy(generated.rows(need))
        rows[need] = (own + 0.1 * own.std() * torch.randn(own.shape, generator=generator)).numpy()
    noisy = FeatureSet.of_rows("reference", **rows)
    spatial = generated.moments("spatial")
    moments = {**noisy.moments_by_need, "spatial": Moments(noisy.n, spatial.mean, 1.1 * spatial.covariance)}
    return FeatureSet("reference", noisy.n, moments, noisy.rows_by_need)


def cost(name: str, n: int, size: int, channels: int) -> None:
    """Print the seconds of the extraction, and of each metric."""
    extractor = extractor_of(name, 0)
    run = Extraction(extractor, {"moments"})
    _, alone = timed(lambda: run.run(random_images(n, size, channels, 0)))
    generated, whole = timed(lambda: Extraction(extractor, NEEDS).run(random_images(n, size, channels, 0)))
    print(f"{name}, {n} images of {channels}x{size}x{size}")
    print(f"  extraction with moments of its features alone  {alone:9.2f} s")
    print(f"  extraction of all that the metrics need        {whole:9.2f} s")
    real, total = reference(generated), whole
    for metric in METRICS:
        seconds = seconds_of(metric, generated, real)
        total += seconds
        print(f"  {metric:<12} {seconds:9.2f} s", flush=True)
    print(f"  all over the extraction alone: {total / alone:.3f} (bound: {BOUND})")


def seconds_of(metric: str, generated: FeatureSet, real: FeatureSet) -> float:
    """Return the seconds of CPU that a metric takes on two sets of features."""
    component = registry().get(Metric, metric, where="this benchmark")
    settings = {"few_images": True} if metric in ("fid", "fd", "sfid") else {}
    function = component.create_on_features(component.config.model_validate(settings))
    return timed(lambda: function(generated, real, torch.Generator()))[1]


def memory(name: str, size: int, channels: int) -> None:
    """Print the peak resident set of fid at two numbers of images."""
    for n in (5_000, 50_000):
        arguments = ["peak", "--extractor", name, "--images", str(n), "--size", str(size), "--channels", str(channels)]
        process = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
        print(f"  fid of {n:6d} images: peak {float(process.stdout) / 1e6:.0f} MB", flush=True)


def peak(name: str, n: int, size: int, channels: int) -> None:
    """Print the peak resident set of this process after fid of two sets, in bytes."""
    extractor = extractor_of(name, 0)
    first, second = (Extraction(extractor, {"moments"}).run(random_images(n, size, channels, seed)) for seed in (0, 1))
    seconds_of("fid", first, second)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def main() -> None:
    """Print the cost or the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "memory", "peak"))
    parser.add_argument("--extractor", default="fashion-cnn")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    memory_of_the_process.keep_freed()  # as workers do
    if arguments.what == "cost":
        cost(arguments.extractor, arguments.images, arguments.size, arguments.channels)
    elif arguments.what == "memory":
        memory(arguments.extractor, arguments.size, arguments.channels)
    else:
        peak(arguments.extractor, arguments.images, arguments.size, arguments.channels)


if __name__ == "__main__":
    main()
