"""Datasets of images that `harness import` put into stores: any images, CIFAR-10, CelebA and ImageNet."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal, cast

from pydantic import Field

from harness import Config, Dataset, hookimpl
from harness.paths import BoardPath

__version__ = "1"

SELECTION = (
    "images that are kept for the curve alone, of the validation images where there are test images beside them, else of the "
    "training images: nothing trains on them. With 0 the curve compares with draws of the images that cells are evaluated with"
)
NOISE = "whether the images are noise, which smoke runs take in the place of images: their number, shape and classes count alone"

ARCHIVES = {
    "cifar-10-python.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz (170 MB)",
    "celeba": "img_align_celeba.zip (1.4 GB) and list_eval_partition.txt from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html "
    "as a folder celeba",
    "imagenet": "the training and validation images of ILSVRC2012 from https://image-net.org as a folder imagenet with "
    "train/n…/*.JPEG and val/ (in folders of classes, or flat with LOC_val_solution.csv beside it)",
}
"""The published archives and folders, and where a user gets each."""


class PublishedConfig(Config):
    """Settings of a published set. The images that cells are evaluated with are the same with any."""

    published: ClassVar[str]
    """The name of the set."""
    archive: ClassVar[str] = "imagenet"
    """The archive or folder that its store is made of."""

    store: BoardPath | None = Field(
        None,
        description="folder of the store, from the board's folder; by default NAME in $HARNESS_DATA, or in `data` in the cache "
        "folder",
    )
    selection: int = Field(0, ge=0, le=50_000, description=SELECTION)
    made_up: bool = Field(False, description=NOISE)

    @property
    def identity(self) -> dict[str, object]:
        """The settings that keys hold: the store is checked to hold the published images, wherever it is."""
        return {name: value for name, value in super().identity.items() if name != "store" and value is not False}


class Cifar10Config(PublishedConfig):
    """Settings of `cifar10`."""

    published = "cifar10"
    archive = "cifar-10-python.tar.gz"


class CelebA64Config(PublishedConfig):
    """Settings of `celeba64`."""

    published = "celeba64"
    archive = "celeba"


class ImageNet64Config(PublishedConfig):
    """Settings of `imagenet64`."""

    published = "imagenet64"


class ImageNet256Config(PublishedConfig):
    """Settings of `imagenet256`."""

    published = "imagenet256"


class ImageNet512Config(PublishedConfig):
    """Settings of `imagenet512`."""

    published = "imagenet512"


class ImagesConfig(Config):
    """Settings of `images`."""

    store: BoardPath | None = Field(None, description="folder that `harness import` wrote, from the board's folder")
    evaluation: BoardPath | None = Field(
        None, description="a second store, whose images are for evaluation; the first one's are then all for training"
    )
    holdout: int | None = Field(
        None,
        ge=2,
        description="number of images that are held out for evaluation, where the store has no parts for it; by default a tenth",
    )
    selection: int = Field(0, ge=0, description=SELECTION)
    fingerprint: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="the fingerprint that the store must have, as `harness import` prints it: records then hold where the store "
        "is not. With two stores: the sha256 of both, joined by a blank",
    )
    labels: Literal["as-data", "balanced"] = Field(
        "as-data",
        description="how often models with labels generate each class: in proportion to its training images, since evaluation "
        "draws have classes as they fall; or every class equally often",
    )
    made_up: bool = Field(False, description=NOISE)

    @property
    def identity(self) -> dict[str, object]:
        """The settings that keys hold: the images, by their fingerprint, and not where they are."""
        from harness_stores.stores import content

        paths = {"store", "evaluation", "fingerprint"}
        kept = {name: value for name, value in super().identity.items() if name not in paths and value not in (None, False)}
        return {**kept, "content": self.fingerprint or content(self)}


def _is_made_up(config: Config) -> bool:
    return cast("PublishedConfig | ImagesConfig", config).made_up


SUMMARIES: dict[type[PublishedConfig], str] = {
    Cifar10Config: "CIFAR-10, 32×32, 10 classes: 50,000 to train, its 10,000 test images held out; to be imported",
    CelebA64Config: "CelebA, 64×64 as DDIM crops it: 162,770 to train, its 19,962 test images held out; to be imported",
    ImageNet64Config: "ImageNet, 64×64 as EDM2 crops it: 1,281,167 to train, 50,000 for validation held out; to be imported",
    ImageNet256Config: "ImageNet, 256×256 as ADM crops it: 1,281,167 to train, 50,000 for validation held out; to be imported",
    ImageNet512Config: "ImageNet, 512×512 as EDM2 crops it: 1,281,167 to train, 50,000 for validation held out; to be imported",
}


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide `images` for any store, and the datasets of the papers, whose stores must hold the published images."""
    make = partial(Dataset, smoke={"made_up": True}, made_up=_is_made_up)
    published = [
        make(
            config.published,
            config=config,
            build="harness_stores.datasets:of_published",
            spec="harness_stores.published:spec",
            check_ready="harness_stores.published:check",
            summary=summary,
            archives={config.archive: ARCHIVES[config.archive]},
        )
        for config, summary in SUMMARIES.items()
    ]
    return [
        make(
            "images",
            config=ImagesConfig,
            build="harness_stores.datasets:images",
            check_ready="harness_stores.stores:check",
            summary="your own images, or any others, from a store that `harness import` wrote",
        ),
        *published,
    ]
