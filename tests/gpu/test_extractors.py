"""Extractors give on a card what they give on the CPU, in each precision near it."""

import pytest
import torch
from image_sets import image_set
from metrics_pass import RandomInception

from harness import UserError
from harness.components import Extractor
from harness.images.extraction import Extraction
from harness.images.extraction_settings import ExtractionSettings
from harness.plugins import registry
from harness.streams import stream
from harness.testing import extractors

IMAGES = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=stream(0, "images"))


def rows(extractor, device, precision="fp32"):
    settings = ExtractionSettings(precision, batch=8)
    return torch.from_numpy(Extraction(extractor, {"features"}, device, settings=settings).run(image_set(IMAGES)).rows().copy())


@pytest.fixture(params=[*registry().names("extractor"), "random inception"])
def extractor(request):
    """An extractor on the CPU; Inception's network also with random weights, for machines without its file."""
    if request.param == "random inception":
        return RandomInception(0)
    component = registry().get(Extractor, request.param, where="test")
    try:
        component.check_packages()
        settings = component.config.model_validate(component.smoke)
        component.check_readiness(settings)
        return extractors.create(component, settings)
    except UserError as error:
        pytest.skip(f"not on this machine: {error}")


def test_features_are_those_of_the_cpu(extractor, device, is_rehearsal):
    expected = rows(extractor, torch.device("cpu"))
    module = extractor.network if isinstance(extractor, RandomInception) else extractor
    if isinstance(module, torch.nn.Module):
        module.to(device)
    found = rows(extractor, device)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * scale)
    assert rows(extractor, device).equal(found)
    if not is_rehearsal:  # a CPU takes minutes in half precision
        for precision in ("tf32", "bf16", "fp16"):
            assert (rows(extractor, device, precision) - expected).norm() <= 0.1 * expected.norm()
