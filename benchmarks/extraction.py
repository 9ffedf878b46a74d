"""Extraction on a CPU: images of a batch at once or in parts, and memory that is given back to the system or kept.

    OMP_NUM_THREADS=1 python benchmarks/extraction.py --rounds 3

Random images go through each network. Each case runs in a process of its own, and the cases take turns. The script prints
medians: the seconds of CPU of the process, the share of the kernel in them, and the largest resident set. `inception` has
random weights.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping

import torch
from metrics_pass import extractor_of, random_images
from torch import Tensor

from harness.images.extraction import Extraction
from harness.interfaces import FeatureExtractor
from harness.process import memory

IMAGES: Mapping[str, int] = {"fashion-cnn": 5000, "efficientnet-lite0": 250, "inception": 250}
CASES = {
    "whole, given back": (False, False),
    "whole, kept": (False, True),
    "in parts, given back": (True, False),
    "in parts, kept": (True, True),
}


class InOneBatch(FeatureExtractor):
    """An extractor that takes every batch at once on a CPU, whatever its own limit is."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor = extractor
        self.preprocessing, self.weights_sha256 = extractor.preprocessing, extractor.weights_sha256
        self.outputs = extractor.outputs

    @property
    def images_on_cpu(self) -> int | None:
        """No limit."""
        return None

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the outputs of the extractor."""
        return self.extractor(images)


def measure(name: str, in_parts: bool, keeps: bool) -> Mapping[str, float]:
    """Return the seconds and the megabytes of an extraction in this process."""
    torch.set_num_threads(1)
    if keeps:
        assert memory.keep_freed()
    extractor, n = extractor_of(name, 0), IMAGES[name]
    if not in_parts:
        extractor = InOneBatch(extractor)
    size, channels = (28, 1) if name.endswith("-cnn") else (32, 3)
    run = Extraction(extractor, {"moments"})
    before = resource.getrusage(resource.RUSAGE_SELF)
    run.run(random_images(n, size, channels, 0))
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {"seconds": user + kernel, "kernel": kernel, "megabytes": after.ru_maxrss / 1000}


def main() -> None:
    """Measure one case in this process, or all networks and cases in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--case", nargs=2, metavar=("EXTRACTOR", "CASE"), help="one case, in this process")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case[0], *CASES[arguments.case[1]])))
        return
    for name in arguments.only:
        figures: dict[str, list[Mapping[str, float]]] = {case: [] for case in CASES}
        for _ in range(arguments.rounds):
            for case, measured in figures.items():
                command = [sys.executable, __file__, "--case", name, case]
                process = subprocess.run(command, check=True, capture_output=True, text=True)
                measured.append(json.loads(process.stdout))
        print(f"{name}, {IMAGES[name]} images", flush=True)
        for case, measured in figures.items():
            medians = {key: statistics.median(each[key] for each in measured) for key in measured[0]}
            print(
                "  {:<22} {seconds:7.2f} s, {kernel:6.2f} s of them the kernel's, {megabytes:5.0f} MB".format(case, **medians),
                flush=True,
            )


if __name__ == "__main__":
    main()
