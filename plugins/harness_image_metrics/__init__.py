"""Metrics of images by features: Fréchet distances, KID, Inception Score, precision, recall, density, coverage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from harness import Config, Metric, hookimpl

__version__ = "1"


class FrechetConfig(Config):
    """Settings of the Fréchet distances."""

    few_images: bool = Field(
        False,
        description="measure even with fewer images than features; the covariance is then singular, and the value is far above "
        "that of more images",
    )


class StandardErrorConfig(FrechetConfig):
    """Settings of the standard error of a Fréchet distance. The three ways estimate the same number."""

    by: Literal["influence", "bootstrap", "split-half"] = Field(
        "influence",
        description="influence: what each image adds to the distance, to first order, without resampling; bootstrap: deviation "
        "over sets drawn from the images with replacement; split-half: from the distances of random halves",
    )
    resamples: int | None = Field(
        None, ge=2, le=100_000, description="number of sets of the bootstrap, or of random splits in halves; none: 100. "
        "influence takes no such number",
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _resamples_where_they_are_used(cls, settings: object) -> object:
        if isinstance(settings, dict) and settings.get("by") in ("bootstrap", "split-half"):
            return {**settings, "resamples": 100 if settings.get("resamples") is None else settings["resamples"]}
        return settings

    @model_validator(mode="after")
    def _resamples_are_used(self) -> Self:
        if self.by == "influence" and self.resamples is not None:
            raise ValueError("resamples is of no use to by: influence; set by: bootstrap or by: split-half with it")
        return self

    @property
    def identity(self) -> dict[str, object]:
        """The settings as keys and records hold them. Records of `influence`, the first choice, lack the later settings."""
        return self.model_dump(mode="json", exclude={"by", "resamples"} if self.by == "influence" else None)


class KernelConfig(Config):
    """Settings of KID: the kernel (x·y / D + 1)³ over random subsets. The defaults are torch-fidelity's."""

    subsets: int = Field(100, ge=1, le=100_000, description="number of random subsets; their mean is the value")
    subset_size: int = Field(1000, ge=2, description="images of each of the two sets in a subset")
    seed: int = Field(2020, ge=0, lt=2**32, description="seed of the subsets")


class InceptionScoreConfig(Config):
    """Settings of the Inception Score, the mean over splits of exp(E KL(p(y|x) ‖ p(y))). The defaults are torch-fidelity's."""

    splits: int = Field(10, ge=1, le=1000, description="parts that the images are split into, in a random order")
    seed: int = Field(2020, ge=0, lt=2**32, description="seed of that order")


class NeighboursConfig(Config):
    """Settings of precision and recall, with the default of Kynkäänniemi et al."""

    k: int = Field(3, ge=1, le=100, description="the radius of a ball is the distance to the k-th nearest neighbour")


class DensityConfig(NeighboursConfig):
    """Settings of density and coverage, with the default of Naeem et al."""

    k: int = Field(5, ge=1, le=100, description="the radius of a ball is the distance to the k-th nearest neighbour")


@hookimpl
def harness_metrics() -> list[Metric]:
    """Provide the metrics of images. What they need of an extractor decides which features are extracted and kept."""
    return [*_FRECHET, _STANDARD_ERROR, _KERNEL, _INCEPTION_SCORE, *_NEIGHBOURS]


_MOMENTS = frozenset({"moments"})
_ROWS = frozenset({"features"})
_FEW = {"few_images": True}


SMOKE_SUBSET = 16
"""Images of a subset of kid in smoke runs, at most."""


def _small_subsets(config: Config) -> dict[str, object]:
    """Return subsets for smoke runs: a board of few images may have smaller ones already."""
    assert isinstance(config, KernelConfig)
    return {"subset_size": min(SMOKE_SUBSET, config.subset_size)}


def _frechet(name: str, summary: str) -> Metric:
    return Metric(
        name,
        config=FrechetConfig,
        build=f"harness_image_metrics.frechet:{name}",
        is_default=name == "fid",
        summary=summary,
        lowest=0.0,
        needs_features=_MOMENTS,
        check="harness_image_metrics.limits:enough_for_features",
        smoke=_FEW,
    )


def _neighbours(name: str, config: type[Config], summary: str, highest: float | None = 1.0) -> Metric:
    return Metric(
        name,
        config=config,
        build=f"harness_image_metrics.neighbours:{name}",
        summary=summary,
        higher_is_better=True,
        lowest=0.0,
        highest=highest,
        needs_features=_ROWS,
        check="harness_image_metrics.limits:enough_for_neighbours",
    )


_FRECHET = (
    _frechet("fid", "Fréchet distance between features, by the name that papers use"),
    _frechet("fd", "Fréchet distance between features, by its general name; the same number as fid"),
    Metric(
        "sfid",
        config=FrechetConfig,
        build="harness_image_metrics.frechet:SpatialFrechet",
        summary="Fréchet distance between features that keep their place in the image (sFID)",
        lowest=0.0,
        needs_features=frozenset({"spatial"}),
        check="harness_image_metrics.limits:enough_for_spatial",
        smoke=_FEW,
    ),
)
_STANDARD_ERROR = Metric(
    "fid-se",
    config=StandardErrorConfig,
    build="harness_image_metrics.standard_error:FrechetStandardError",
    summary="standard error of FID over the choice of generated images",
    lowest=0.0,
    needs_features=_MOMENTS | _ROWS,
    needs_reference=_MOMENTS,
    check="harness_image_metrics.limits:enough_for_standard_error",
    smoke={**_FEW, "by": "bootstrap", "resamples": 2},
    ranks=False,
    repeats_in_any_order=False,
)
_KERNEL = Metric(
    "kid",
    config=KernelConfig,
    build="harness_image_metrics.kernel:KernelDistance",
    summary="kernel distance: squared maximum mean discrepancy, unbiased, with a cubic kernel",
    needs_features=_ROWS,
    check="harness_image_metrics.limits:enough_for_subsets",
    smoke={"subset_size": SMOKE_SUBSET},
    shrink=_small_subsets,
    repeats_in_any_order=False,
)
_INCEPTION_SCORE = Metric(
    "is",
    config=InceptionScoreConfig,
    build="harness_image_metrics.inception_score:InceptionScore",
    summary="Inception Score of generated images, by any extractor with logits",
    higher_is_better=True,
    lowest=1.0,
    needs_features=frozenset({"logits"}),
    needs_reference=frozenset(),
    check="harness_image_metrics.limits:enough_for_splits",
    smoke={"splits": 2},
    repeats_in_any_order=False,
)
_NEIGHBOURS = (
    _neighbours("precision", NeighboursConfig, "share of generated images within a ball of a real one (Kynkäänniemi et al.)"),
    _neighbours("recall", NeighboursConfig, "share of real images within a ball of a generated one (Kynkäänniemi et al.)"),
    _neighbours("density", DensityConfig, "balls of real images that a generated one lies in, over k (Naeem et al.)", None),
    _neighbours("coverage", DensityConfig, "share of real images whose ball holds a generated one (Naeem et al.)"),
)
