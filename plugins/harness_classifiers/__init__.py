"""Small classifiers whose weights are in this package: features for boards on a CPU, without a download."""

from __future__ import annotations

from harness import Extractor, hookimpl

__version__ = "1"

_FOR_28 = {"features": 64, "logits": 10, "spatial": 98}


@hookimpl
def harness_extractors() -> list[Extractor]:
    """Provide an extractor for each network. `python -m harness_classifiers.train NAME` trains a network anew."""
    return [
        Extractor(
            "digits-cnn",
            build="harness_classifiers.extractor:digits_cnn",
            summary="small network for 8×8 digits, trained on the dataset digits' training half",
            outputs={"features": 64, "logits": 10, "spatial": 64},
        ),
        Extractor(
            "mnist-cnn",
            build="harness_classifiers.extractor:mnist_cnn",
            summary="small network for 28×28 digits, trained on the dataset mnist's training half (2,500)",
            outputs=_FOR_28,
        ),
        Extractor(
            "fashion-cnn",
            build="harness_classifiers.extractor:fashion_cnn",
            summary="small network for 28×28 grey images, trained on Fashion-MNIST's 60,000",
            outputs=_FOR_28,
        ),
    ]
