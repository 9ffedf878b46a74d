"""Conformance of extractors: outputs are as declared, repeat, and each row depends on its own image only."""

from __future__ import annotations

import re
from functools import partial

import torch
from torch import Tensor

from harness.components import Extractor
from harness.config import Config
from harness.images.extraction import outputs_fault
from harness.interfaces import FeatureExtractor
from harness.streams import stream
from harness.testing.checks import Checks, run_all
from harness.testing.expect import expect

IMAGES = 7
ROUNDING = 1e-4
"""Largest difference between two batch sizes, relative to the largest feature: kernels add in another order."""


def check_extractor(component: Extractor, *, config: Config | None = None, shape: tuple[int, int, int] = (3, 32, 32)) -> None:
    """Run all checks of this module, on random images of this shape, (channels, height, width).

    Raises: UserError when the extractor's weights are absent, AssertionError when it breaks a promise.
    """
    run_all(extractor_checks(component, config=config, shape=shape))


def extractor_checks(component: Extractor, *, config: Config | None = None, shape: tuple[int, int, int] = (3, 32, 32)) -> Checks:
    """Yield the checks of `check_extractor`, which has the same arguments. Raises: UserError when the weights are absent."""
    settings = config or component.config(**component.smoke)
    component.check_readiness(settings)
    extractor = create(component, settings)
    images = torch.randint(0, 256, (IMAGES, *shape), dtype=torch.uint8, generator=stream(0, "images"))
    yield partial(check_declared, component, extractor)
    yield partial(check_outputs, extractor, images)
    yield partial(check_repeats, extractor, images)
    yield partial(check_rows_are_apart, extractor, images)


def create(component: Extractor, config: Config) -> FeatureExtractor:
    """Build the extractor, in eval mode."""
    extractor = component.create(config)
    if isinstance(extractor, torch.nn.Module):
        extractor.eval()
    return extractor


def check_declared(component: Extractor, extractor: FeatureExtractor) -> None:
    """Check that the outputs are those of the component, and that keys and records get the line and the hash they need."""
    declared, built = dict(component.outputs), dict(extractor.outputs)
    expect(declared == built, f"outputs: the component declares {declared}, what it builds {built}")
    expect("features" in extractor.outputs, "outputs: an extractor has an output `features`")
    text = extractor.preprocessing
    expect(text.strip() == text != "" and "\n" not in text, f"preprocessing is one line of text, got {text!r}")
    is_hash = re.fullmatch("[0-9a-f]{64}", extractor.weights_sha256)
    expect(is_hash, f"weights_sha256 is {extractor.weights_sha256!r}; give 64 lower-case hex digits")
    at_once = extractor.images_on_cpu
    expect(at_once is None or at_once >= 1, f"images_on_cpu is {at_once}; give a number above 0, or None")


def check_outputs(extractor: FeatureExtractor, images: Tensor) -> None:
    """Check that each output is (B, D) float32, finite and without gradients, and that the images stay as they were."""
    before = images.clone()
    outputs = extractor(images)
    fault = outputs_fault(outputs, extractor.outputs, len(images))
    expect(fault is None, str(fault))
    expect(set(outputs) == set(extractor.outputs), f"gave {sorted(outputs)}, declares {sorted(extractor.outputs)}")
    for name in extractor.outputs:
        rows = outputs[name]
        expect(rows.isfinite().all(), f"{name} is not finite on random images")
        expect(not rows.requires_grad, f"{name} carries gradients; extract under torch.no_grad()")
    expect(torch.equal(before, images), "it changes its images")


def check_repeats(extractor: FeatureExtractor, images: Tensor) -> None:
    """Check that the same images give the same features, bit for bit, and that no global randomness is used."""
    first = extractor(images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        state = torch.get_rng_state()
        second = extractor(images)
        expect(torch.equal(state, torch.get_rng_state()), "draws from torch's global randomness")
    for name in first:
        expect(torch.equal(first[name], second[name]), f"{name} differs between two calls on the same images")


def check_rows_are_apart(extractor: FeatureExtractor, images: Tensor) -> None:
    """Check that neither the other images of a batch nor their order change an image's features."""
    together, backwards, alone = extractor(images), extractor(images.flip(0)), extractor(images[:1])
    for name, rows in together.items():
        scale = float(rows.abs().max())
        for other, expected in ((backwards[name].flip(0), rows), (alone[name], rows[:1])):
            worst = float((other - expected).abs().max())
            expect(worst <= ROUNDING * scale, f"{name} depends on the rest of the batch: by {worst:.3g} of {scale:.3g}")
