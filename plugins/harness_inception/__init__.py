"""The Inception network of FID, as three libraries have it: their weights differ in format, and their resizing in kind."""

from __future__ import annotations

from harness import Extractor, hookimpl
from harness.references import Reference
from harness_inception.references import REFERENCES

__version__ = "1"


@hookimpl
def harness_extractors() -> list[Extractor]:
    """Provide the extractors, whose numbers never share a column."""
    return [
        Extractor(
            "inception",
            build="harness_inception.fidelity:Inception",
            check_ready="harness_inception.files:check_inception",
            files="harness_inception.files:needed_inception",
            summary="Inception of FID, as torch-fidelity has it: TensorFlow 1's bilinear resizing inside",
            is_default=True,
            version="2",  # spatial features in ADM's order
            outputs={"features": 2048, "logits": 1008, "spatial": 7 * 17 * 17},
        ),
        Extractor(
            "inception-clean",
            build="harness_inception.clean:InceptionClean",
            check_ready="harness_inception.files:check_clean",
            files="harness_inception.files:needed_nvidia",
            summary="Inception of FID, as clean-fid has it: Pillow's bicubic resizing of floats before it",
            outputs={"features": 2048},
        ),
        Extractor(
            "inception-nvidia",
            build="harness_inception.nvidia:InceptionNvidia",
            check_ready="harness_inception.files:check_nvidia",
            files="harness_inception.files:needed_nvidia",
            summary="Inception of FID, as StyleGAN2-ADA, EDM and EDM2 have it: NVIDIA's network with its own resizing inside",
            outputs={"features": 2048},
        ),
    ]


@hookimpl
def harness_references() -> list[Reference]:
    """Provide the statistics that papers measure with."""
    return list(REFERENCES)
