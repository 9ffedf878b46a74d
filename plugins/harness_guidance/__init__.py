"""Guidance as samplers around samplers: away from the unconditional network, or from a weaker one."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from harness import Config, Sampler, hookimpl
from harness.references import BaseName, SamplerReference

__version__ = "1"


class GuidanceConfig(Config):
    """How far and where to extrapolate, and the sampler that is guided."""

    # The default is a name, that it is looked up and its settings filled in as if a board had written it.
    sampler: SamplerReference = Field("heun", validate_default=True, description="the sampler inside")
    weight: float = Field(1.5, ge=0, le=100, description="strength, in the units of `convention`")
    convention: Literal["edm2", "var"] = Field(
        "edm2", description="edm2: guide + weight (main - guide), 1 is none; var: main + weight (main - guide), 0 is none"
    )
    low: float = Field(0.0, ge=0, description="smallest noise level that is guided, as sigma of clean + sigma * noise")
    high: float | None = Field(None, gt=0, description="largest noise level that is guided; none for no bound")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low}) is not below high ({self.high})")
        return self

    @property
    def edm2_weight(self) -> float:
        """The weight in EDM2's convention."""
        return self.weight if self.convention == "edm2" else self.weight + 1


class AutoguidanceConfig(GuidanceConfig):
    """As classifier-free guidance, with another base of the board as the guide."""

    guide: BaseName = Field("guide", description="the base that is guided away from: smaller, or trained for less")


def formula(config: GuidanceConfig) -> str:
    """What guidance makes of the networks' outputs, for records: the weight is EDM2's, 1 is none."""
    guide = config.guide if isinstance(config, AutoguidanceConfig) else "unlabelled"
    most = "inf" if config.high is None else f"{config.high:g}"
    return f"{guide} + {config.edm2_weight:g} * (main - {guide}) for {config.low:g} <= sigma <= {most}, else main"


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Work around every sampler of models that denoise or predict noise."""
    return [
        Sampler(
            "cfg",
            config=GuidanceConfig,
            build="harness_guidance.guided:ClassifierFree",
            smoke={},
            formula=formula,  # type: ignore[arg-type] # of its own settings
            summary="classifier-free guidance around another sampler, with a noise interval",
        ),
        Sampler(
            "autoguidance",
            config=AutoguidanceConfig,
            build="harness_guidance.guided:Autoguidance",
            smoke={},
            formula=formula,  # type: ignore[arg-type] # of its own settings
            summary="guidance by a weaker network, another base of the board, with a noise interval",
        ),
    ]
