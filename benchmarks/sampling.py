"""Sampling 1,000 tiny images through the harness against the bare calls of the network that it makes.

    OMP_NUM_THREADS=1 python benchmarks/sampling.py

`harness.sampling.drawing.draw`, which a board's stage calls: streams of random numbers for each image, the sampler's own
arithmetic, counting of evaluations, checks. The bare version makes the same calls of the network, with the same arguments,
and does nothing else. Turns alternate; processor time of one thread is compared. The bound is 1.1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from harness.components import Model, Sampler
from harness.interfaces import DataSpec, SampleFunction
from harness.plugins import registry
from harness.sampling import drawing

CPU = torch.device("cpu")
CASES = {
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
    torch.manual_seed(0)
    built = registry().get(Model, chosen.model, where="benchmark").load()(chosen.config, chosen.spec)  # type: ignore[operator]
    return cast(nn.Module, built).eval(), chosen.spec


class Recorder:
    """Notes the arguments of each call of a network, so that they can be made again without what is around them."""

    def __init__(self, model: nn.Module) -> None:
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
        self.handle = model.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _: nn.Module, arguments: tuple[object, ...], named: dict[str, object]) -> None:
        self.calls.append((arguments, named))


def measure(preset: str, sampler_name: str, settings: dict[str, object], options: argparse.Namespace) -> str:
    model, spec = network(preset)
    component = registry().get(Sampler, sampler_name, where="benchmark")
    sampler = cast(SampleFunction, component.load()(component.config.model_validate(settings)))  # type: ignore[operator]

    def ours() -> object:
        return drawing.draw(sampler, model, spec, n=options.n, seed=0, purpose="benchmark", batch=options.batch, device=CPU)

    recorder = Recorder(model)
    ours()
    recorder.handle.remove()

    @torch.no_grad()
    def bare() -> object:
        for arguments, named in recorder.calls:
            model(*arguments, **named)
        return None

    spent: dict[str, list[float]] = {"bare": [], "ours": []}
    pair: dict[str, Callable[[], object]] = {"bare": bare, "ours": ours}
    for turn in range(options.rounds + 1):
        for name in sorted(pair, reverse=turn % 2 == 1):
            began = time.process_time()
            pair[name]()
            if turn:  # the first turn warms up
                spent[name].append(time.process_time() - began)
    ratios = sorted(one / other for one, other in zip(spent["ours"], spent["bare"], strict=True))
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
