"""Forward and backward passes of each U-Net against diffusers' UNet2DModel of the same size.

    OMP_NUM_THREADS=1 python benchmarks/unets.py
    OMP_NUM_THREADS=1 python benchmarks/unets.py --variants channels-last bf16
    OMP_NUM_THREADS=1 python benchmarks/unets.py --variants compile --only edm2     # compiling takes minutes

The equivalent has the same levels, the same number of blocks in a level, and attention at the same sizes. Its width is the
width whose number of parameters is nearest. The script prints both numbers of parameters and the multiplications of a forward
pass, since other blocks spend their parameters elsewhere, and gives the ratio for each multiplication too. For `ddpm-unet` the
two are the same network, weight for weight. The networks take turns, and the processor time of one thread is compared. Variants
are settings of a board's `training:`; our network with a variant is compared with our network without it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from harness.components import Model
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.training import precision
from harness.training.config import TrainingConfig

CPU = torch.device("cpu")
SIDE = 32
LEVELS, BLOCKS, ATTENTION = (1, 2, 2), 2, (16,)
PLAIN = "plain"
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "channels-last": {"channels_last": True},
    "bf16": {"precision": "bf16"},
    "compile": {"compile": True},
}


@dataclass(frozen=True)
class Subject:
    """A U-Net of ours, as a model and its settings, and the settings that bring diffusers' equivalent near it."""

    model: str
    settings: Mapping[str, object]
    theirs: Mapping[str, object]


GOOGLE = {"downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6}
EDM = {"channel_mult": LEVELS, "num_blocks": BLOCKS, "attn_resolutions": ATTENTION}
SUBJECTS = {
    "ddpm": Subject(
        "ddpm-unet",
        {"ch": 32, "ch_mult": LEVELS, "num_res_blocks": BLOCKS, "attn_resolutions": ATTENTION, "norm_groups": 8},
        {**GOOGLE, "norm_num_groups": 8},
    ),
    "ddpm++": Subject("edm-unet", {**EDM, "architecture": "ddpm++", "model_channels": 32}, {}),
    "ncsn++": Subject("edm-unet", {**EDM, "architecture": "ncsn++", "model_channels": 32}, {"time_embedding_type": "fourier"}),
    "adm": Subject(
        "edm-unet", {**EDM, "architecture": "adm", "model_channels": 32, "head_channels": 32},
        {"resnet_time_scale_shift": "scale_shift", "attention_head_dim": 32},
    ),
    "edm2": Subject(
        "edm2-unet", {**EDM, "model_channels": 32, "channels_per_head": 32},
        {"resnet_time_scale_shift": "scale_shift", "attention_head_dim": 32},
    ),
}  # fmt: skip


def ours(subject: Subject, *, side: int, width: int, classes: int = 0) -> nn.Module:
    component = registry().get(Model, subject.model, where="benchmark")
    key = "ch" if subject.model == "ddpm-unet" else "model_channels"
    config = component.config.model_validate({**subject.settings, key: width})
    torch.manual_seed(0)
    return component.create(config, DataSpec((3, side, side), classes, "images")).train()


def equivalent(subject: Subject, parameters: int, *, side: int) -> UNet2DModel:
    """Return the UNet2DModel of the width whose number of parameters is nearest."""

    def build(width: int, device: str) -> UNet2DModel:
        sides = [side >> level for level in range(len(LEVELS))]
        down = ["AttnDownBlock2D" if side in ATTENTION else "DownBlock2D" for side in sides]
        up = ["AttnUpBlock2D" if side in ATTENTION else "UpBlock2D" for side in reversed(sides)]
        options = {"norm_num_groups": width // 4, "attention_head_dim": None, **subject.theirs}
        with torch.device(device):
            return UNet2DModel(
                sample_size=side, in_channels=3, out_channels=3, layers_per_block=BLOCKS,
                block_out_channels=[width * mult for mult in LEVELS], down_block_types=down, up_block_types=up, **options,
            )  # fmt: skip

    # Widths that heads and groups divide.
    step = 8 if subject.theirs.get("attention_head_dim") is None else 16
    width = min(range(step, 257, step), key=lambda width: abs(count(build(width, "meta")) - parameters))
    torch.manual_seed(0)
    return build(width, "cpu").train()


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def forward_of(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """Return a call of the network as training makes it: each image has a time or a noise level of its own."""
    times = torch.linspace(1, 900, len(x)).round()
    if isinstance(network, UNet2DModel):
        return lambda: cast(Tensor, network(x, times).sample)
    if hasattr(network, "predict_noise"):
        return lambda: cast(Tensor, network(x, times))
    return lambda: cast(Tensor, network(x, times / 300))


def step(network: nn.Module, forward: Callable[[], Tensor], context: Callable[[], AbstractContextManager[object]]) -> float:
    """Return the seconds of processor time for a forward and a backward pass."""
    for parameter in network.parameters():
        parameter.grad = None
    began = time.process_time()
    with context():
        loss = forward().float().square().mean()
    loss.backward()
    return time.process_time() - began


def multiplications(forward: Callable[[], Tensor]) -> float:
    """Return the multiplications of a forward pass, by torch's count of matrix products and convolutions."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops() / 2


Turn = tuple[nn.Module, Callable[[], Tensor], Callable[[], AbstractContextManager[object]]]


def prepared(network: nn.Module, x: Tensor, variant: str) -> Turn:
    """Bring the network into the format of a variant, as the harness's training does."""
    settings = TrainingConfig.model_validate({"images": 1, "batch": 1, **VARIANTS.get(variant, {})})
    precision.prepare_network(network, settings)
    if variant == PLAIN:
        return network, forward_of(network, x), nullcontext
    return network, forward_of(network, x), lambda: precision.autocast(CPU, settings)


def measure(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each turn, by name. The first round warms up, and compiles what is to be compiled."""
    spent: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(rounds + 1):
        for name in sorted(turns, reverse=turn % 2 == 1):
            began = time.perf_counter()
            seconds = step(*turns[name])
            if turn:
                spent[name].append(seconds)
            elif name == "compile":
                print(f"  compiled in {time.perf_counter() - began:.0f} s by the clock")
    return spent


def ratio(times: list[float], other: list[float]) -> str:
    ratios = sorted(a / b for a, b in zip(times, other, strict=True))
    return f"{statistics.median(ratios):.2f} (quartiles {ratios[len(ratios) // 4]:.2f} and {ratios[-1 - len(ratios) // 4]:.2f})"


def compare(name: str, options: argparse.Namespace) -> None:
    subject = SUBJECTS[name]
    x = torch.randn(options.batch, 3, options.side, options.side)
    plain = ours(subject, side=options.side, width=options.width)
    theirs = equivalent(subject, count(plain), side=options.side)
    turns = {PLAIN: prepared(plain, x, PLAIN), "diffusers": prepared(theirs, x, PLAIN)}
    for variant in options.variants:
        turns[variant] = prepared(ours(subject, side=options.side, width=options.width), x, variant)
    flops = {network: multiplications(turns[network][1]) for network in (PLAIN, "diffusers")}
    print(
        f"{name}: {count(plain):,} parameters, {flops[PLAIN] / 1e9:.2f} G multiplications a forward pass; "
        f"diffusers {count(theirs):,} ({count(theirs) / count(plain) - 1:+.1%}), {flops['diffusers'] / 1e9:.2f} G"
    )
    spent = measure(turns, options.rounds)
    for turn, seconds in spent.items():
        print(f"  {turn:<14} {statistics.median(seconds) * 1e3:8.0f} ms, median of {len(seconds)} turns")
    work = flops[PLAIN] / flops["diffusers"]
    alike = [seconds / work for seconds in spent[PLAIN]]
    print(f"  ours to diffusers: {ratio(spent[PLAIN], spent['diffusers'])}; a multiplication {ratio(alike, spent['diffusers'])}")
    for variant in options.variants:
        print(f"  {variant} to plain: {ratio(spent[variant], spent[PLAIN])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=SIDE, help="pixels a side of the images")
    parser.add_argument("--width", type=int, default=32, help="channels of our finest level")
    parser.add_argument("--only", nargs="+", choices=sorted(SUBJECTS), default=list(SUBJECTS))
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS), default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for name in options.only:
        compare(name, options)


if __name__ == "__main__":
    main()
