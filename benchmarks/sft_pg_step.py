"""Milliseconds an iteration of SFT-PG: the algorithm as the published toy code carries it out, against ours.

    OMP_NUM_THREADS=1 python benchmarks/sft_pg_step.py

One iteration is a rollout, an update of the critic and of the value network, and a fifth of a generator phase. Both versions
start from the same weights and make the same draws. Before the clock starts, both must arrive at the same parameters.

Each version has a process of its own, and the two take turns: "as published" with the allocator as Python starts it, like the
published script, and ours as a worker of the harness, which keeps freed memory. "As published" calls torch's softplus, as that
script does; ours takes the model's setting `softplus: fast`, or with `--softplus exact` torch's too.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, relu

from harness.components import Model, Sampler
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.process import memory
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.training.method import Task
from harness_sft_pg import SFTPGConfig
from harness_sft_pg.networks import Value, initialise
from harness_sft_pg.policy import SFTPG

SPEC = DataSpec((2,))
PARTS = {"sampling": 14, "critic": 6, "value forward": 20, "value backward": 55, "optimisers": 0, "buffer and generator": 5}
"""The parts of an iteration, and their share of the published script's time in percent: its optimisers count to the others."""


class AsPublished:
    """The published algorithm as its toy code carries it out: one sampler step, one value call and one critic call at a time.

    It is written anew from what is known of that code: its order, and the share of each part in its time. The rollout keeps its
    graph. f(x_0) is evaluated anew for each step's squared error, and the backward pass of that error runs through the whole
    chain into gradients of the network that nobody uses. The value network's gains are looked up example by example.
    """

    def __init__(self, ours: SFTPG) -> None:
        # The networks, optimisers and settings are those of our version, so that the two differ only in how they compute.
        self.config, self.model, self.critic, self.value = ours.config, ours.model, ours.critic, cast(Value, ours.value)
        self.generator_optimizer = ours.generator_optimizer
        self.critic_optimizer, self.value_optimizer = ours.critic_optimizer, ours.value_optimizer
        self.buffer: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one critic iteration; after each n_critic-th, go through the generator phase."""
        with self._timed("sampling"):
            states = self._rollout(len(batch), generator)
        with self._timed("buffer and generator"):
            self._remember(states)
        self._improve_critic(batch.x, states)
        if (index + 1) % self.config.n_critic == 0:
            with self._timed("buffer and generator"):
                self._improve_generator(len(batch), generator)
                self.buffer = []
        return {}

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[part] += time.process_time() - start

    def _rollout(self, n: int, generator: torch.Generator) -> list[Tensor]:
        states = [torch.randn(n, *SPEC.shape, generator=generator)]
        for step in range(self.model.transitions):
            mean, std = self.model.transition(states[-1], step)
            states.append(mean + std * torch.randn(n, *SPEC.shape, generator=generator))
        return states

    def _remember(self, states: list[Tensor]) -> None:
        for step in range(len(states) - 1):
            index = torch.full((len(states[0]),), step)
            self.buffer.append((states[step].detach(), states[step + 1].detach(), index, states[-1].detach()))

    def _value(self, x: Tensor, step: Tensor) -> Tensor:
        """The value network, with its gains looked up as `torch.nn.Embedding` does it."""
        hidden = x.flatten(1)
        for layer in (self.value.lin1, self.value.lin2):
            hidden = relu(layer.embed(step) * layer.lin(hidden))
        return cast(Tensor, self.value.lin4.embed(step) * self.value.lin4.lin(hidden))

    def _improve_critic(self, real: Tensor, states: list[Tensor]) -> None:
        steps, final = len(states) - 1, states[-1]
        for optimizer in (self.generator_optimizer, self.critic_optimizer, self.value_optimizer):
            optimizer.zero()
        with self._timed("critic"):
            (self.critic(real).mean() - self.critic(final.detach()).mean()).backward()
        with self._timed("value forward"):
            value_loss = torch.zeros(())
            for step in range(steps):
                index = torch.full((len(final),), step)
                value_loss = value_loss + mse_loss(self._value(states[step], index), self.critic(final))
        with self._timed("value backward"):
            (self.config.regulariser_weight * value_loss).backward()
        with self._timed("optimisers"):
            self.critic_optimizer.apply()
            self.value_optimizer.apply()

    def _improve_generator(self, n: int, generator: torch.Generator) -> None:
        x, x_next, step, final = (torch.cat(column) for column in zip(*self.buffer, strict=True))
        for _ in range(self.config.n_generator):
            drawn = torch.randint(len(x), (n,), generator=generator)
            advantage = (self.critic(final[drawn]) - self._value(x[drawn], step[drawn])).detach().squeeze(1)
            normal = torch.distributions.Normal(*self.model.transition(x[drawn], step[drawn]))
            log_prob = normal.log_prob(x_next[drawn]).sum(1)
            self.generator_optimizer.update((advantage * log_prob).mean())


def task(steps: int, batch: int, chain: int, softplus: str) -> InMemoryTask:
    """Return a task on the toy model of the paper with T = chain, and with weights from a fixed seed.

    softplus: `exact` or `fast`, the model's setting.
    """
    model = registry().get(Model, "ddpm-mlp", where="benchmark")
    sampler = registry().get(Sampler, model.sampler, where="benchmark")
    torch.manual_seed(0)
    network = model.create(model.config.model_validate({"steps": chain, "softplus": softplus}), SPEC)
    return InMemoryTask(network, SPEC, sampler.create(sampler.config()), steps=steps, batch=batch)


def ours(task: Task) -> SFTPG:
    """Return `sft-pg` with its default settings, and with its extra networks initialised."""
    method = SFTPG(SFTPGConfig(), task)
    initialise(method.critic, stream(0, "critic"))
    initialise(method.value, stream(0, "value"))
    return method


Step = Callable[[Batch, torch.Generator, int], Mapping[str, Tensor]]


def take(step: Step, first: int, stop: int, batch: int) -> None:
    """Take iterations first … stop - 1 on standard normal data. Index 0 is left out: there our method draws its networks."""
    for index in range(first, stop):
        data = torch.randn(batch, *SPEC.shape, generator=stream(0, "data", index))
        step(Batch(data), stream(0, "method", index), index)


def largest_difference(iterations: int, batch: int, chain: int, softplus: str) -> float:
    """Return the largest difference of a parameter of the three networks, relative to the largest of its tensor, in float64.

    In float32 there is nothing to compare: Adam's first steps are lr * sign(gradient), and rounding decides the sign of
    the gradients that are nearly zero.
    """
    torch.set_default_dtype(torch.float64)
    mine = ours(task(iterations, batch, chain, softplus))
    reference = ours(task(iterations, batch, chain, "exact"))
    take(mine.step, 5, 5 + iterations, batch)
    take(AsPublished(reference).step, 5, 5 + iterations, batch)
    networks = [(method.task.model, method.critic, method.value) for method in (mine, reference)]
    pairs = [
        (parameter, other)
        for network, twin in zip(*networks, strict=True)
        for parameter, other in zip(network.parameters(), twin.parameters(), strict=True)
    ]
    torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        return max(float((parameter - other).abs().max() / parameter.abs().max()) for parameter, other in pairs)


def milliseconds(step: Step, iterations: int, batch: int) -> float:
    """Return the mean processor time of an iteration, draws included.

    Other programs disturb processor time less than time by the clock. With one thread on an idle machine the two are the same.
    """
    start = time.process_time()
    take(step, 5, 5 + iterations, batch)
    return 1e3 * (time.process_time() - start) / iterations


def serve(version: str, batch: int, chain: int, softplus: str) -> None:
    """Be the process of one version: for each number of iterations on stdin, take them and print the milliseconds of one."""
    method = ours(task(10**6, batch, chain, softplus if version == "ours" else "exact"))
    published = AsPublished(method)
    step: Step = published.step
    if version == "ours":
        memory.keep_freed()
        step = method.step
    for line in sys.stdin:
        print(milliseconds(step, int(line), batch), flush=True)
    if version == "published":
        total = sum(published.seconds.values())
        shares = (f"{part} {100 * seconds / total:.0f} % ({PARTS[part]} %)" for part, seconds in published.seconds.items())
        print(f"shares of the yardstick, and of the published script: {', '.join(shares)}")


class Turns:
    """The processes of both versions, which take turns."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        options = [f"--batch={arguments.batch}", f"--chain={arguments.chain}", f"--softplus={arguments.softplus}"]
        self.processes = [
            subprocess.Popen(
                [sys.executable, __file__, f"--serve={version}", *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for version in ("published", "ours")
        ]  # fmt: skip

    def take(self, iterations: int) -> tuple[float, float]:
        """Return the milliseconds of an iteration as published, and of ours, one after the other."""
        published, own = (self._ask(process, iterations) for process in self.processes)
        return published, own

    def end(self) -> str:
        """End both processes. Returns: what the one as published says of itself."""
        remarks = [process.communicate()[0] for process in self.processes]
        return "".join(remarks).strip()

    def _ask(self, process: subprocess.Popen[str], iterations: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{iterations}\n")
        process.stdin.flush()
        return float(process.stdout.readline())


def check(batch: int, chain: int, softplus: str) -> None:
    """Check that both versions compute the same."""
    difference = largest_difference(25, batch, chain, softplus)
    print(f"largest relative difference of a parameter after 25 iterations (float64): {difference:.1e}")
    # Adam divides by the gradient's size + 1e-8, so rounding (1e-16) of a nearly-zero gradient comes out up to 1e8
    # times larger.
    assert difference < 1e-6, "the two versions do not compute the same"


def measure(arguments: argparse.Namespace) -> None:
    """Let the two take turns, and print the times."""
    turns = Turns(arguments)
    turns.take(10)  # the first iterations are slower
    times = [turns.take(arguments.iterations) for _ in range(arguments.rounds)]
    remark = turns.end()
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(published / own for published, own in times)
    print("| version | ms an iteration |\n|---|---|")
    print(f"| as published | {slow:.1f} |\n| sft-pg | {fast:.1f} |")
    print(f"ratio: median {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f} over {len(ratios)} turns")
    print(remark)


def main() -> None:
    """Check that both versions compute the same, measure them in turns, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="examples an iteration")
    parser.add_argument("--chain", type=int, default=10, help="sampler steps T")
    parser.add_argument("--rounds", type=int, default=9, help="how often the two take turns; the median is printed")
    parser.add_argument("--iterations", type=int, default=25, help="iterations a turn")
    parser.add_argument("--softplus", choices=("fast", "exact"), default="fast", help="the setting of our model")
    parser.add_argument("--serve", choices=("published", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.serve:
        serve(arguments.serve, arguments.batch, arguments.chain, arguments.softplus)
    else:
        check(arguments.batch, arguments.chain, arguments.softplus)
        measure(arguments)


if __name__ == "__main__":
    main()
