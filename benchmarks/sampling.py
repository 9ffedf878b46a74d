"""Sampling 1,000 tiny images through the harness against the bare calls of the network that it makes.

    OMP_NUM_THREADS=1 python benchmarks/sampling.py

A board's stage calls `harness.sampling.drawing.draw`, which has a stream of random numbers for each image, does the sampler's own
arithmetic, counts evaluations and checks the samples. The bare version makes the same calls of the network, with the same
arguments, and does nothing else. The two take turns, and the processor time of one thread is compared. The bound is 1.1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

from harness.components import Model, Sampler
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.sampling import drawing

CPU = torch.device("cpu")
CASES: Mapping[str, tuple[str, str, Mapping[str, object]]] = {
    "edm heun": ("edm-tiny-8", "heun", {"steps": 8}),
    "edm stochastic": ("edm-tiny-8", "edm-stochastic", {"steps": 8}),
    "edm euler": ("edm-tiny-8", "euler", {"steps": 15}),
    "edm2 heun": ("edm2-tiny-8", "heun", {"steps": 8}),
    "edm2 ancestral": ("edm2-tiny-8", "ancestral", {}),
    "ddpm ddim": ("ddpm-tiny-8", "ddim", {"steps": 15}),
    "ddpm sub-sampled": ("ddpm-tiny-8", "ddpm", {"steps": 15}),
    "ddpm fastdpm": ("ddpm-tiny-8", "fastdpm", {"steps": 15}),
}


def network(preset: str) -> tuple[nn.Module, DataSpec]:
    chosen = registry().presets[preset]
    component = registry().get(Model, chosen.model, where="benchmark")
    torch.manual_seed(0)
    return component.create(chosen.config, chosen.spec).eval(), chosen.spec


class Recorder:
    """Notes the arguments of each call of a network, so that the calls can be made again without the code around them."""

    def __init__(self, model: nn.Module) -> None:
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
        self.handle = model.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _: nn.Module, arguments: tuple[object, ...], named: dict[str, object]) -> None:
        self.calls.append((arguments, named))


def measure(preset: str, sampler_name: str, settings: Mapping[str, object], options: argparse.Namespace) -> str:
    model, spec = network(preset)
    component = registry().get(Sampler, sampler_name, where="benchmark")
    sampler = component.create(component.config.model_validate(settings))

    def ours() -> object:
        return drawing.draw(sampler, model, spec, n=options.n, seed=0, purpose="benchmark", batch=options.batch, device=CPU)

    recorder = Recorder(model)
    ours()
    recorder.handle.remove()

    @torch.no_grad()
    def bare() -> None:
        for arguments, named in recorder.calls:
            model(*arguments, **named)

    spent: dict[str, list[float]] = {"bare": [], "ours": []}
    pair: dict[str, Callable[[], object]] = {"bare": bare, "ours": ours}
    for turn in range(options.rounds + 1):
        for name in sorted(pair, reverse=turn % 2 == 1):
            began = time.process_time()
            pair[name]()
            if turn:  # the first turn warms up
                spent[name].append(time.process_time() - began)
    ratios = sorted(harness / bare for harness, bare in zip(spent["ours"], spent["bare"], strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return (
        f"{len(recorder.calls)} calls; bare {statistics.median(spent['bare']):.2f} s, harness "
        f"{statistics.median(spent['ours']):.2f} s; ratio {statistics.median(ratios):.3f}, quartiles {low:.3f} and {high:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--n", type=int, default=1000, help="images")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--only", nargs="+", choices=sorted(CASES), default=list(CASES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for name in options.only:
        print(f"{name}: {measure(*CASES[name], options)}")


if __name__ == "__main__":
    main()
