"""DINOv2 ViT-L/14, whose features agree better with people's judgement of images than Inception's do."""

from __future__ import annotations

from harness import Extractor, hookimpl

__version__ = "1"


@hookimpl
def harness_extractors() -> list[Extractor]:
    """Provide the extractor."""
    return [
        Extractor(
            "dinov2",
            build="harness_dinov2.extractor:DINOv2",
            check_ready="harness_dinov2.files:check",
            files="harness_dinov2.files:needed",
            summary="DINOv2 ViT-L/14, class token; 1,024 features",
            outputs={"features": 1024},
        )
    ]
