"""Milliseconds of a training step of fashion-gpu's network on a card, by batch, precision, memory layout and kernels.

    python benchmarks/gpu_step.py [--device cpu] [--profile FILE]

It is a plain loop on the network's own loss: random weights, one random batch, a fused Adam, clipped gradients, an average of the
weights. A small network keeps a card waiting for the process that launches its kernels, which `--profile` shows: the table of
PyTorch's profiler over three steps. On a CPU the network and its batches are tiny, which only shows that the script runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tabulate import tabulate
from torch import Tensor, nn

from harness.board.reading.load import load_board
from harness.capabilities import Trains
from harness.components import Model
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.process import deterministic, devices
from harness.streams import stream
from harness.testing.models import build

BOARD = Path(__file__).parents[1] / "leaderboards" / "fashion-gpu"
SPEC = DataSpec(shape=(1, 28, 28), preview="images")
WARM = 6
"""Steps before the clock starts: kernels are chosen and loaded in them."""


def network(device: torch.device) -> nn.Module:
    """Return the board's network with random weights; of a tenth of its channels on a CPU."""
    settings = next(base for base in load_board(BOARD).bases).network.model.settings
    if device.type == "cpu":
        settings = settings.model_copy(update={"model_channels": 8})
    return build(registry().get(Model, "edm-unet", where="benchmark"), settings, SPEC).to(device)


def training_step(model: nn.Module, batch: int, *, is_half: bool) -> Callable[[], None]:
    """Return a function that takes one step of training on a random batch."""
    assert isinstance(model, Trains)
    weights = list(model.parameters())
    device = weights[0].device
    averages = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.Adam(weights, lr=1e-4, fused=True)
    x = torch.rand(batch, *SPEC.shape, device=device) * 2 - 1

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_half):
            loss: Tensor = model.training_loss(x, None, stream(0, "noise")).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        torch._foreach_lerp_(averages, [weight.detach() for weight in weights], 1e-3)

    return step


def milliseconds(step: Callable[[], None], device: torch.device, seconds: float) -> float:
    """Return the time of a call, over about so many seconds."""
    for _ in range(WARM):
        step()
    devices.finish(device)
    started, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - started < seconds:
        for _ in range(5):
            step()
        devices.finish(device)
        calls += 5
    return 1000 * (time.perf_counter() - started) / calls


def profile(step: Callable[[], None], device: torch.device, file: Path) -> None:
    """Write which kernels, and which calls of the CPU, take the time of three steps."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiling

    for _ in range(WARM):
        step()
    on_card = [ProfilerActivity.CUDA] if device.type == "cuda" else []
    with profiling(activities=[ProfilerActivity.CPU, *on_card]) as found:
        for _ in range(3):
            step()
        devices.finish(device)
    orders = ["self_cpu_time_total", *(["self_cuda_time_total"] if on_card else [])]
    tables = [found.key_averages().table(sort_by=order, row_limit=30, max_name_column_width=90) for order in orders]
    file.write_text("\n".join(tables))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=1.6, help="time of one measurement, about")
    parser.add_argument("--profile", type=Path, help="a file for the profile of a step of 512 images in bf16")
    options = parser.parse_args()
    device = devices.use(options.device)
    small, large = (4, 8) if device.type == "cpu" else (512, 1024)
    cases = [
        (small, True, True, True), (small, True, False, True), (large, True, True, True), (large, True, False, True),
        (small, False, False, True), (small, True, True, False), (small, False, False, False),
    ]  # fmt: skip
    rows = []
    for batch, is_half, is_last, is_deterministic in cases:
        if device.type == "cuda":
            deterministic.switch(is_deterministic)
        model = network(device)
        if is_last:
            model.to(memory_format=torch.channels_last)
        spent = milliseconds(training_step(model, batch, is_half=is_half), device, options.seconds)
        kernels = "deterministic" if is_deterministic else "fast"
        layout = "channels last" if is_last else "channels first"
        rows.append((batch, "bf16" if is_half else "fp32", layout, kernels, f"{spent:.1f}", f"{1000 * batch / spent:.0f}"))
    print(tabulate(rows, headers=["batch", "precision", "layout", "kernels", "ms a step", "images a second"], tablefmt="pipe"))
    if options.profile is not None:
        model = network(device).to(memory_format=torch.channels_last)
        profile(training_step(model, small, is_half=True), device, options.profile)


if __name__ == "__main__":
    main()
