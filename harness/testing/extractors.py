"""Conformance of extractors: the outputs it names, the same for the same images, each row of its own image only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.components import Extractor
from harness.config import Config
from harness.interfaces import FeatureExtractor
from harness.streams import stream
from harness.testing.expect import expect

# Kernels add in another order at another batch; relative to the largest feature.
ROUNDING = 1e-4


def check_extractor(component: Extractor, *, config: Config | None = None, shape: tuple[int, int, int] = (3, 32, 32)) -> None:
    """All checks of this module, on random images of this shape. Raises: UserError when its weights are absent."""
    settings = config or component.config(**component.smoke)
    component.check_readiness(settings)
    extractor = build(component, settings)
    images = torch.randint(0, 256, (7, *shape), dtype=torch.uint8, generator=stream(0, "images"))
    check_declared(component, extractor)
    check_outputs(extractor, images)
    check_repeats(extractor, images)
    check_rows_are_apart(extractor, images)


def build(component: Extractor, config: Config) -> FeatureExtractor:
    """The extractor."""
    extractor = component.load()(config)
    expect(isinstance(extractor, FeatureExtractor), f"{component.build} gave {extractor!r}, not a FeatureExtractor")
    if isinstance(extractor, torch.nn.Module):
        extractor.eval()
    return cast(FeatureExtractor, extractor)


def check_declared(component: Extractor, extractor: FeatureExtractor) -> None:
    """Outputs are those of the component, the preprocessing is one line, the hash is a sha256."""
    declared, built = dict(component.outputs), dict(extractor.outputs)
    expect(declared == built, f"outputs: the component declares {declared}, what it builds {built}")
    expect("features" in extractor.outputs, "it has no output `features`")
    text = extractor.preprocessing
    expect(text.strip() == text != "" and "\n" not in text, f"preprocessing is one line of text, got {text!r}")
    expect(re.fullmatch("[0-9a-f]{64}", extractor.weights_sha256), f"weights_sha256 is {extractor.weights_sha256!r}")


def check_outputs(extractor: FeatureExtractor, images: Tensor) -> None:
    """(B, D) float32, finite, without gradients; images stay as they were."""
    before = images.clone()
    outputs = extractor(images)
    expect(set(outputs) == set(extractor.outputs), f"gave {sorted(outputs)}, declares {sorted(extractor.outputs)}")
    for name, size in extractor.outputs.items():
        one = outputs[name]
        expect(one.shape == (len(images), size), f"{name} has shape {tuple(one.shape)}, expected {(len(images), size)}")
        expect(one.dtype == torch.float32, f"{name} is {one.dtype}, expected float32")
        expect(bool(one.isfinite().all()), f"{name} is not finite on random images")
        expect(not one.requires_grad, f"{name} carries gradients")
    expect(torch.equal(before, images), "it changes its images")


def check_repeats(extractor: FeatureExtractor, images: Tensor) -> None:
    """The same images give the same features, bit for bit, whatever the global randomness."""
    first = extractor(images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        state = torch.get_rng_state()
        second = extractor(images)
        expect(torch.equal(state, torch.get_rng_state()), "draws from torch's global randomness")
    for name in first:
        expect(torch.equal(first[name], second[name]), f"{name} differs between two calls on the same images")


def check_rows_are_apart(extractor: FeatureExtractor, images: Tensor) -> None:
    """Neither the other images of a batch nor their order changes an image's features."""
    together: Mapping[str, Tensor] = extractor(images)
    backwards = extractor(images.flip(0))
    alone = extractor(images[:1])
    for name, all_rows in together.items():
        scale = float(all_rows.abs().max())
        for other, rows in ((backwards[name].flip(0), all_rows), (alone[name], all_rows[:1])):
            worst = float((other - rows).abs().max())
            expect(worst <= ROUNDING * scale, f"{name} depends on the rest of the batch: by {worst:.3g} of {scale:.3g}")
