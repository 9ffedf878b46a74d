"""Extraction on a CPU: images of a batch at once or in parts, and memory that is given back to the system or kept.

    OMP_NUM_THREADS=1 python benchmarks/extraction.py --rounds 3

Random images through each network, each case in a process of its own, cases taking turns. Prints medians of the process's seconds
of CPU, of those the kernel's, and the largest resident set. `inception` has random weights.
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

from harness.images.extraction import BATCH, Extraction
from harness.process import memory

IMAGES: Mapping[str, int] = {"fashion-cnn": 5000, "efficientnet-lite0": 250, "inception": 250}
CASES = {
    "whole, given back": (False, False),
    "whole, kept": (False, True),
    "in parts, given back": (True, False),
    "in parts, kept": (True, True),
}


def one(name: str, in_parts: bool, keeps: bool) -> Mapping[str, float]:
    """Seconds and bytes of an extraction in this process."""
    torch.set_num_threads(1)
    if keeps:
        assert memory.keep_freed()
    extractor, n = extractor_of(name, 0), IMAGES[name]
    if not in_parts:
        extractor.images_on_cpu = BATCH
    size, channels = (28, 1) if name.endswith("-cnn") else (32, 3)
    run = Extraction(extractor, {"moments"})
    before = resource.getrusage(resource.RUSAGE_SELF)
    run.run(random_images(n, size, channels, 0))
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {"seconds": user + kernel, "kernel": kernel, "megabytes": after.ru_maxrss / 1000}


def main() -> None:
    """All networks and cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--case", nargs=2, metavar=("EXTRACTOR", "CASE"), help="one case, in this process")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(one(arguments.case[0], *CASES[arguments.case[1]])))
        return
    for name in arguments.only:
        found: dict[str, list[Mapping[str, float]]] = {case: [] for case in CASES}
        for _ in range(arguments.rounds):
            for case, measured in found.items():
                ran = subprocess.run([sys.executable, __file__, "--case", name, case], check=True, capture_output=True, text=True)
                measured.append(json.loads(ran.stdout))
        print(f"{name}, {IMAGES[name]} images", flush=True)
        for case, measured in found.items():
            medians = {key: statistics.median(each[key] for each in measured) for key in measured[0]}
            print(
                "  {:<22} {seconds:7.2f} s, {kernel:6.2f} s of them the kernel's, {megabytes:5.0f} MB".format(case, **medians),
                flush=True,
            )


if __name__ == "__main__":
    main()
