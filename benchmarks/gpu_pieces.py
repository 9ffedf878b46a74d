"""The pieces that benchmarks/gpu.py measures of one network, in a process of their own; each result is written when it is there.

`python benchmarks/gpu_pieces.py SUBJECT --out FILE`, which benchmarks/gpu.py calls. A piece that fails leaves its reason, and the
others go on.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.capabilities import Trains, TrainsInParts
from harness.components import Method, Model, Sampler
from harness.errors import error_text
from harness.images.extraction import Extraction
from harness.images.extraction_settings import ExtractionSettings
from harness.indexed import StoredExamples
from harness.indexed_sets import InMemory
from harness.interfaces import DataSpec, SampleFunction
from harness.plugins import registry
from harness.process import deterministic, devices, inference_precision
from harness.sampling import drawing
from harness.store.runs_folder import RunsFolder
from harness.streams import SampleStreams, stream
from harness.testing.models import build
from harness.training.config import TrainingConfig
from harness.training.loop import TrainingLoop
from harness.training.micro_batches import rows_of, slices
from harness.training.placement import placed
from harness.training.surroundings import Surroundings
from harness.training.task import BankSource, TrainingTask

GIB = 2**30
ROWS = 1024
"""Examples of the data that training reads; they are random, since speed does not depend on them."""


@dataclass(frozen=True)
class Subject:
    """A network, and how much of it goes through the card at once.

    Args:
        preset, tiny: names of the network's preset, and of the one that rehearses it.
        batch, micro: training examples of a step, and those that go through the network at once; None cuts nothing.
        ddo: training examples of a step of DDO, of which as many fakes join.
        drawn: samples drawn at once.
        sampler: settings of the model's own sampler.
        settings: of the network, in the place of the preset's.
        yardstick: images a second in training that others have published; None where nobody has.
    """

    preset: str
    tiny: str
    batch: int
    micro: int | None
    ddo: int
    drawn: int
    sampler: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    yardstick: float | None = None


SUBJECTS = {
    "edm": Subject(
        "edm-cifar10-uncond-vp", "edm-tiny-ddpmpp", 512, 128, 128, 256, {"steps": 18}, {"dropout": 0.0}, yardstick=145
    ),  # a step of batch 512 does not fit without micro-batches, and dropout cannot be cut into them
    "edm2": Subject("edm2-img64-s", "edm2-tiny-8", 128, 32, 32, 32, {"steps": 32}, {"dropout": 0.0}, yardstick=70),
    "var": Subject("var-d16", "var-tiny", 16, None, 8, 25, {}, {}, yardstick=74),
}


@dataclass(frozen=True)
class Options:
    """How the pieces run. seconds: that one measurement takes, about."""

    device: torch.device
    is_tiny: bool
    seconds: float
    out: Path


def noise_sampler(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:  # noqa: ARG001
    """Draw noise in the place of samples: banks cost nothing then."""
    return streams.normal(*spec.shape)


def network(subject: Subject, options: Options) -> tuple[nn.Module, DataSpec]:
    """Return the subject's network on the device, as the pieces before have left its weights, and its data."""
    model, spec = _built(subject.preset, options)
    model.to(memory_format=torch.contiguous_format)
    model.zero_grad(set_to_none=True)
    return model.eval(), spec


@cache
def _built(name: str, options: Options) -> tuple[nn.Module, DataSpec]:
    """Return a network with random weights on the device, and its data. Of a large one this takes seconds."""
    subject = next(each for each in SUBJECTS.values() if each.preset == name)
    preset = registry().preset(subject.tiny if options.is_tiny else subject.preset, where="benchmark")
    component = registry().get(Model, preset.model, where="benchmark")
    known = {name: value for name, value in subject.settings.items() if name in type(preset.config).model_fields}
    model = build(component, preset.config.model_copy(update=known), preset.spec)
    return model.to(options.device), preset.spec


def rate(work: Callable[[], int], options: Options) -> dict[str, float]:
    """Return images a second and the largest memory of some work, which returns its number of images and is called again and
    again. The first call is not counted."""
    work()
    devices.finish(options.device)
    if options.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    images, calls, started = 0, 0, time.perf_counter()
    while calls < 1 or time.perf_counter() - started < options.seconds:
        images, calls = images + work(), calls + 1
        devices.finish(options.device)
    spent = time.perf_counter() - started
    measured = {"images_per_second": images / spent, "seconds_a_call": spent / calls, "calls": float(calls)}
    if options.device.type == "cuda":
        measured["peak_memory_gib"] = torch.cuda.max_memory_allocated() / GIB
    return measured


def loop_of(
    name: str, model: nn.Module, spec: DataSpec, training: TrainingConfig, options: Options, folder: Path
) -> TrainingLoop:
    """Return the harness's own training loop of a method on random data."""
    banks = BankSource(RunsFolder(folder / "runs"), noise_sampler, {"name": "noise"}, 0, 256)
    task = TrainingTask(model, spec, options.device, training, banks)
    component = registry().get(Method, name, where="benchmark")
    settings: dict[str, object] = {"optimizer": {"name": "adam", "lr": 1e-4, "clip": None}}
    if name == "ddo":
        settings |= {"bank_size": 2 * training.batch}
    method = component.create(component.config.model_validate(settings), task)
    x = torch.randn(ROWS, *spec.shape, generator=stream(0, "x")).clamp(-1, 1)
    labels = torch.arange(ROWS) % spec.classes if spec.classes else None
    around = Surroundings(folder / "work", checkpoint_seconds=1e9, log_every=10**9)
    data = placed(InMemory(StoredExamples(x, labels)), training.data, options.device)
    return TrainingLoop(task, method, data, training, seed=0, around=around)


def training_of(subject: Subject, options: Options, batch: int, **settings: object) -> TrainingConfig:
    """Return the budget of a piece. A step of DDO has a fake for each example, so that half as many go through at once."""
    size = 4 if options.is_tiny else batch
    micro = None if subject.micro is None else min(subject.micro // (2 if batch == subject.ddo else 1), size)
    whole = {"images": size * 10**6, "batch": size, "micro_batch": None if micro == size else micro, "data": "device"}
    return TrainingConfig.model_validate({**whole, **settings})


def ours(subject: Subject, options: Options, name: str, **settings: object) -> dict[str, float]:
    """Return the speed of the harness's loop with a method."""
    model, spec = network(subject, options)
    training = training_of(subject, options, subject.ddo if name == "ddo" else subject.batch, **settings)
    with tempfile.TemporaryDirectory() as folder:
        loop = loop_of(name, model, spec, training, options, Path(folder))

        def step() -> int:
            loop.advance(loop.step + 1)
            return training.batch

        return rate(step, options)


def bare(subject: Subject, options: Options, **settings: object) -> dict[str, float]:
    """Return the speed of a plain PyTorch loop on the network's own loss: no data to read, and noise drawn once for all steps."""
    model, spec = network(subject, options)
    training = training_of(subject, options, subject.batch, **settings)
    assert isinstance(model, Trains)
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    x = torch.randn(training.batch, *spec.shape, generator=stream(0, "x")).to(options.device)
    labels = torch.arange(training.batch, device=options.device) % spec.classes if spec.classes else None
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=1e-4, fused=options.device.type == "cuda")
    draw = model.training_draw(x, stream(0, "draw")) if isinstance(model, TrainsInParts) else None

    def losses(rows: slice) -> Tensor:
        some = None if labels is None else labels[rows]
        if isinstance(model, TrainsInParts):
            return model.training_loss_at(x[rows], some, rows_of(draw, rows))
        return model.training_loss(x[rows], some, stream(0, "draw"))

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        for rows in slices(training.batch, training.micro_batch):
            half = torch.autocast(options.device.type, torch.bfloat16) if training.precision == "bf16" else nullcontext()
            with half:
                loss = losses(rows).sum() / training.batch
            loss.backward()
        optimizer.step()
        return training.batch

    return rate(step, options)


def sampling(subject: Subject, options: Options, precision: inference_precision.Precision) -> dict[str, float]:
    """Return the speed of drawing samples with the network's own sampler, and its NFE."""
    model, spec = network(subject, options)
    preset = registry().preset(subject.tiny if options.is_tiny else subject.preset, where="benchmark")
    name = registry().get(Model, preset.model, where="benchmark").sampler
    component = registry().get(Sampler, name, where="benchmark")
    known = {key: value for key, value in subject.sampler.items() if key in component.config.model_fields}
    function: SampleFunction = component.create(component.config.model_validate(component.smoke if options.is_tiny else known))
    n, nfe = 4 if options.is_tiny else subject.drawn, [0.0]

    def chunk() -> int:
        drawn = drawing.draw_decoded(
            function, model, spec, n=n, seed=0, purpose="gpu", batch=n, device=options.device, precision=precision
        )
        nfe[0] = drawn.nfe
        return n

    return {**rate(chunk, options), "nfe": nfe[0]}


def inception(options: Options, precision: inference_precision.Precision) -> dict[str, float]:
    """Return the speed of torch-fidelity's Inception with random weights, from bytes of 32×32."""
    from image_sets import image_set  # of the tests
    from metrics_pass import RandomInception

    extractor = RandomInception(0)
    extractor.network.to(options.device)
    n = 4 if options.is_tiny else 2000
    images = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=stream(0, "images"))
    settings = ExtractionSettings(precision, batch=min(n, 500))

    def extract() -> int:
        Extraction(extractor, {"moments"}, options.device, settings=settings).run(image_set(images))
        return n

    return rate(extract, options)


Pieces = Iterator[tuple[str, Callable[[], dict[str, float]], bool]]


def pieces(name: str, options: Options) -> Pieces:
    """Yield name and function of each piece of a subject, and whether kernels are deterministic in it."""
    if name == "inception":
        precisions: list[inference_precision.Precision] = ["fp32", "tf32", "bf16"]
        for precision in precisions:
            yield f"features {precision}", partial(inception, options, precision), True
        return
    subject = SUBJECTS[name.removesuffix("-compiled")]
    if name.endswith("-compiled"):
        yield "mle bf16 compiled, fast kernels", lambda: ours(subject, options, "mle", precision="bf16", compile=True), False
        return
    yield "mle bf16", lambda: ours(subject, options, "mle", precision="bf16"), True
    yield "bare bf16", lambda: bare(subject, options, precision="bf16"), True
    yield "mle fp32", lambda: ours(subject, options, "mle"), True
    yield "bare fp32", lambda: bare(subject, options), True
    yield "ddo bf16", lambda: ours(subject, options, "ddo", precision="bf16"), True
    yield "sampling bf16", lambda: sampling(subject, options, "bf16"), True
    yield "mle bf16, fast kernels", lambda: ours(subject, options, "mle", precision="bf16"), False
    yield "bare bf16, fast kernels", lambda: bare(subject, options, precision="bf16"), False
    if name != "var":  # it has no convolution to speak of in training
        with_layout = {"precision": "bf16", "channels_last": True}
        yield "mle bf16 channels-last, fast kernels", lambda: ours(subject, options, "mle", **with_layout), False
    yield "sampling fp32", lambda: sampling(subject, options, "fp32"), True
    yield "sampling tf32", lambda: sampling(subject, options, "tf32"), True
    yield "ddo fp32", lambda: ours(subject, options, "ddo"), True


def run(name: str, options: Options) -> None:
    """Measure the pieces of a subject one after another, and add a line to the file for each."""
    for title, work, is_deterministic in pieces(name, options):
        started = time.perf_counter()
        if options.device.type == "cuda":
            deterministic.switch(is_deterministic)
        try:
            result: dict[str, object] = {**work()}
        except Exception as error:  # the other pieces go on
            result = {"error": error_text(error)[:300]}
        gc.collect()
        if options.device.type == "cuda":
            torch.cuda.empty_cache()
        line = {"subject": name, "piece": title, **result, "seconds": time.perf_counter() - started}
        with options.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=[*SUBJECTS, *(f"{name}-compiled" for name in SUBJECTS), "inception"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    run(chosen.subject, Options(devices.use(chosen.device), chosen.tiny, chosen.seconds, chosen.out))


if __name__ == "__main__":
    main()
