"""DPM-Solver: multistep solvers of the probability-flow ODE in the logarithm of the noise level."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Sampler, hookimpl
from harness.paths import BoardPath

__version__ = "1"


class V3Config(Config):
    """The steps, the order, and the model statistics. The defaults are those of DDO, which uses no statistics."""

    steps: int = Field(25, ge=1, le=10_000, description="steps, evenly spaced in ln(sigma); the network is called once a step")
    order: Literal[1, 2, 3] = Field(
        3, description="order of the predictor; the first steps have a lower order, since they have fewer values to go by"
    )
    corrector: bool = Field(
        True, description="correct each state by the network's output there, which the next step needs anyway"
    )
    statistics: Literal["none", "estimate", "file"] = Field(
        "none",
        description="where the empirical model statistics come from: none (l = 1, s = b = 0, which is data prediction), "
        "an estimate on the base, or a file",
    )
    file: BoardPath | None = Field(
        None,
        description="safetensors file with the tensors lambda, l, s and b, for `statistics: file`; from the board's folder",
    )
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="hash of the file: results depend on its content, not on its name"
    )
    levels: int = Field(120, ge=20, le=10_000, description="noise levels of an estimate, evenly spaced in ln(sigma)")
    examples: PositiveInt = Field(1024, description="training examples of an estimate, which are noised at each level")

    @model_validator(mode="after")
    def _has_its_file(self) -> Self:
        if (self.statistics == "file") != (self.file is not None) or (self.file is None) != (self.sha256 is None):
            raise ValueError("`statistics: file` needs file and sha256, and these two need `statistics: file`")
        return self


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide the sampler for all models that denoise."""
    return [
        Sampler(
            "dpm-solver-v3",
            config=V3Config,
            build="harness_dpm_solver.sampler:DPMSolverV3",
            needs=frozenset({"Denoises"}),
            smoke={"steps": 4, "levels": 20, "examples": 16},
            summary="DPM-Solver-v3: multistep predictor-corrector, with model statistics or, as DDO uses it, without",
        )
    ]
