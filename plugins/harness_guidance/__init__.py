"""Guidance as samplers around samplers: away from the unconditional network, or from a weaker one.

With D the network's output and G that of the guide, papers write one line through the two in two ways:

    convention `edm2`:  G + w (D - G)   w = 1 is no guidance.   Karras et al. 2024 (autoguidance), Eq. 3.
    convention `var`:   D + w (D - G)   w = 0 is no guidance.   Ho and Salimans 2022, Eq. 6.

The second is the first with w + 1 in the place of w.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from harness import Config, Sampler, hookimpl
from harness.inner_components import BaseName, SamplerSetting

__version__ = "1"


class GuidanceConfig(Config):
    """The strength of guidance, the noise levels where it works, and the sampler that is guided."""

    # The default is a name, so it is validated: that looks the name up and fills the settings in, as for a name in a board.
    sampler: SamplerSetting = Field("heun", validate_default=True, description="the sampler that is guided")
    weight: float = Field(1.5, ge=0, le=100, description="strength of guidance, in the convention that `convention` names")
    convention: Literal["edm2", "var"] = Field(
        "edm2",
        description="edm2: guide + weight (main - guide), where 1 is no guidance; "
        "var: main + weight (main - guide), where 0 is no guidance",
    )
    low: float = Field(0.0, ge=0, description="smallest noise level that is guided, as sigma of clean + sigma * noise")
    high: float | None = Field(None, gt=0, description="largest noise level that is guided; none: no bound")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low}) is not below high ({self.high})")
        return self

    @property
    def edm2_weight(self) -> float:
        """The weight in the convention `edm2`."""
        return self.weight if self.convention == "edm2" else self.weight + 1


class AutoguidanceConfig(GuidanceConfig):
    """The settings of guidance, and another base of the board as the guide."""

    guide: BaseName = Field(
        "guide", description="the base that is guided away from: smaller than the main network, or less trained"
    )


def formula(config: Config) -> str:
    """Return what guidance makes of the networks' outputs, for records, with the weight in the convention `edm2`."""
    assert isinstance(config, GuidanceConfig), "only the samplers of this plugin name this function"
    guide = config.guide if isinstance(config, AutoguidanceConfig) else "unlabelled"
    most = "inf" if config.high is None else f"{config.high:g}"
    return f"{guide} + {config.edm2_weight:g} * (main - {guide}) for {config.low:g} <= sigma <= {most}, else main"


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide guidance around every sampler of models that denoise or predict noise."""
    return [
        Sampler(
            "cfg",
            config=GuidanceConfig,
            build="harness_guidance.guided:ClassifierFree",
            smoke={},
            formula=formula,
            summary="classifier-free guidance around another sampler, with a noise interval",
        ),
        Sampler(
            "autoguidance",
            config=AutoguidanceConfig,
            build="harness_guidance.guided:Autoguidance",
            smoke={},
            formula=formula,
            summary="guidance by a weaker network, another base of the board, with a noise interval",
        ),
    ]
