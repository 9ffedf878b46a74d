"""What must not matter: the number of devices of a training. Threads take the part of processes (`harness.testing.devices`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from harness.components import Method, Model
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.devices import SharedBench
from harness.testing.methods import Bench
from harness.testing.models import build
from harness.testing.probes import examples
from harness.testing.suites import spec_for, tiny_task
from harness.testing.task import InMemoryTask
from harness.weights.state_dicts import snapshot

STEPS, BATCH = 20, 7  # shares of unequal length
# A bias before a normalisation has no gradient but what rounding leaves, and Adam divides that by its own size: signs of noise.
PLAIN = {"name": "sgd", "lr": 0.1}
OF_DDO: dict[str, object] = {"bank_size": 16, "rounds": 2}
CASES: dict[str, tuple[str, dict[str, object], str]] = {
    "mle": ("mle", {}, "edm-mlp"),
    "mle of tokens": ("mle", {}, "var"),
    "mle of an image denoiser": ("mle", {}, "edm2-unet"),
    "mle in micro-batches": ("mle", {"micro_batch": 2}, "edm-mlp"),
    "ddo with a bank": ("ddo", OF_DDO, "edm-mlp"),
    "ddo with several draws": ("ddo", {**OF_DDO, "n_mc": 2, "shared_draw": False}, "edm-mlp"),
    "ddo on new samples": ("ddo", {**OF_DDO, "fakes": "online"}, "edm-mlp"),
    "ddo of tokens": ("ddo", {**OF_DDO, "fakes": "online", "same_labels": True, "drop_label": 0.3}, "var"),
    "neon": ("neon", {"bank_size": 16}, "edm-mlp"),
    "cca": ("cca", {}, "var"),
    "sft-pg": ("sft-pg", {"critic_width": 8}, "ddpm-mlp"),
    "sft-pg with a gradient penalty": ("sft-pg", {"critic_width": 8, "regulariser": "gradient-penalty"}, "ddpm-mlp"),
    "sft-pg with spectral norms": ("sft-pg", {"critic_width": 8, "regulariser": "spectral-norm"}, "ddpm-mlp"),
    "sft": ("sft", {"critic_width": 8}, "ddpm-mlp"),
    "tokenizer": ("tokenizer", {"revive_every": 4, "optimizer": PLAIN}, "var"),
    "tokenizer of masked tokens": ("tokenizer", {"revive_every": 4, "optimizer": PLAIN}, "maskgit"),
}
CORE = ("mle", "ddo with a bank", "ddo on new samples", "neon", "cca", "sft-pg", "tokenizer")


def bench_of(method: str, settings: dict[str, object], model: str) -> Bench:
    component, on = registry().get(Method, method, where="test"), registry().get(Model, model, where="test")
    spec = spec_for(component.needs, on)
    micro_batch = 2 if "micro_batch" in settings else None
    settings = {name: value for name, value in settings.items() if name != "micro_batch"}

    def task() -> InMemoryTask:
        made = tiny_task(on, spec, STEPS)
        made.batch, made.micro_batch = BATCH, micro_batch
        return made

    return Bench(component, component.config(**settings), task, Batch(*examples(spec, n=32)))


def trajectory(bench: Bench, devices: int, steps: int) -> torch.Tensor:
    """Weights after each step, (steps, number of weights)."""
    weights, task = [], bench.task()
    method = bench.build(task)
    several = SharedBench(bench, devices) if devices > 1 else None
    for index in range(steps):
        if several is None:
            bench.take(method, index, index + 1)
        else:
            several.take(index)
            task = several.tasks[0]
        weights.append(torch.cat([value.flatten().double() for value in snapshot(task.model).values()]))
    return torch.stack(weights)


def expect_the_same(case: str, devices: int, steps: int = STEPS) -> None:
    bench = bench_of(*CASES[case])
    one, several = trajectory(bench, 1, steps), trajectory(bench, devices, steps)
    moved = (one[-1] - one[0]).norm()
    assert moved > 0
    apart = (one - several).norm(dim=1) / one.norm(dim=1)
    assert float(apart.max()) <= 1e-5, apart.tolist()


@pytest.mark.parametrize("case", CORE)
def test_a_training_on_two_devices_takes_the_steps_of_one(case):
    expect_the_same(case, 2, steps=4 if CASES[case][2] == "var" else 10)


def test_labels_of_augmentation_are_shared_out_with_their_images():
    method, on = registry().get(Method, "mle", where="test"), registry().get(Model, "edm-unet", where="test")
    config, spec = (
        on.config.model_validate({"model_channels": 8, "attn_resolutions": (4,), "augment_dim": 9}),
        DataSpec((1, 8, 8), preview="images"),
    )
    x, _ = examples(spec, n=32)

    def task() -> InMemoryTask:
        return InMemoryTask(build(on, config, spec), spec, no_sampler, steps=4, batch=BATCH)

    bench = Bench(method, method.config(), task, Batch(x, augmentation=torch.randn(32, 9, generator=stream(0, "labels"))))
    one, several = trajectory(bench, 1, 4), trajectory(bench, 3, 4)
    assert float(((one - several).norm(dim=1) / one.norm(dim=1)).max()) <= 1e-5
    assert not torch.equal(one, trajectory(replace(bench, real=Batch(x)), 1, 4))


def no_sampler(model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    raise NotImplementedError


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("devices", [2, 3])
def test_a_training_on_several_devices_takes_the_steps_of_one(case, devices):
    expect_the_same(case, devices)
