"""The harness's training loop against a bare PyTorch loop that makes the same updates.

    OMP_NUM_THREADS=1 python benchmarks/loop.py

Both loops run `mle` on the DDPM of the quickstart board (T = 10, width 128, batch 128, RMSprop with clipped gradients). A step is
short, so the overhead counts as much as it ever will. The bare loop is what a researcher would write by hand: it shuffles by
epoch, draws the noise of each step from one generator, and keeps the loss. Both loops must arrive at the same weights. They take
turns, and their processor time is compared.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.capabilities import Trains
from harness.components import Dataset, Method, Model
from harness.interfaces import DataSource
from harness.plugins import registry
from harness.streams import stream
from harness.training.config import TrainingConfig
from harness.training.loop import TrainingLoop
from harness.training.surroundings import Surroundings
from harness.training.task import TrainingTask

CPU = torch.device("cpu")
BATCH, SEED = 128, 0


def network(source: DataSource) -> nn.Module:
    component = registry().get(Model, "ddpm-mlp", where="benchmark")
    torch.manual_seed(0)
    return component.create(component.config(), source.spec).eval()


def ours(source: DataSource, steps: int, folder: Path) -> tuple[nn.Module, Callable[[], object]]:
    model = network(source)
    training = TrainingConfig(images=steps * BATCH, batch=BATCH)
    task = TrainingTask(model, source.spec, CPU, training, banks=None)
    component = registry().get(Method, "mle", where="benchmark")
    method = component.create(component.config(), task)
    around = Surroundings(folder, checkpoint_seconds=1e9)
    loop = TrainingLoop(task, method, source.train(), training, seed=SEED, around=around)
    return model, loop.run


def bare(source: DataSource, x: Tensor, steps: int) -> tuple[nn.Module, Callable[[], object]]:
    model = network(source)
    assert isinstance(model, Trains)
    parameters = list(model.parameters())
    optimizer = torch.optim.RMSprop(parameters, lr=1e-3, foreach=True)

    def run() -> list[Tensor]:
        losses, epochs = [], -1
        order = torch.empty(0, dtype=torch.int64)
        for step in range(steps):
            while len(order) < BATCH:
                epochs += 1
                order = torch.cat([order, torch.randperm(len(x), generator=stream(SEED, "order", epochs))])
            batch, order = x[order[:BATCH]], order[BATCH:]
            generator = stream(SEED, "step", step)
            loss = model.training_loss(batch, None, generator).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            losses.append(loss.detach())
        return losses

    return model, run


def seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    component = registry().get(Dataset, "swiss-roll", where="benchmark")
    source = component.create(component.config())
    x = source.train().x
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.rounds + 1):
            straight, run_straight = bare(source, x, options.steps)
            model, run = ours(source, options.steps, Path(folder) / str(turn))
            pair = {"bare": run_straight, "ours": run}
            for name in sorted(pair, reverse=turn % 2 == 1):
                spent = seconds(pair[name])
                if turn:  # the first turn warms up
                    times[name].append(spent)
            theirs = straight.state_dict()
            are_equal = all(torch.equal(value, theirs[name]) for name, value in model.state_dict().items())
            assert are_equal, "not the same updates"
    for name, turns in times.items():
        print(f"{name}: {statistics.median(turns) / options.steps * 1e3:.3f} ms a step, median of {len(turns)} turns")
    ratios = sorted(ours / bare for ours, bare in zip(times["ours"], times["bare"], strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(f"ratio: median {statistics.median(ratios):.3f}, quartiles {low:.3f} and {high:.3f}")


if __name__ == "__main__":
    main()
