"""Components that run through the library diffusers: networks of its class `UNet2DModel`, and DPM-Solver++ by its schedulers.

diffusers is an optional dependency: `pip install 'finetune-harness[diffusers]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Model, Sampler, hookimpl
from harness.toolkit.chains import ImageChainConfig
from harness.toolkit.optional_packages import DIFFUSERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.presets import Preset

__version__ = "1"

Down = Literal["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D"]
Up = Literal["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D"]
Resampling = Literal["conv", "resnet"]


class UNet2DConfig(ImageChainConfig):
    """A `UNet2DModel` by its own settings, and the chain that it is trained on.

    The defaults are those of diffusers, except for the sizes, which are those of a tiny network for tests and smoke runs.
    """

    block_out_channels: tuple[PositiveInt, ...] = Field((8, 16), min_length=1, description="channels of each level, finest first")
    down_block_types: tuple[Down, ...] = Field(
        ("DownBlock2D", "AttnDownBlock2D"), min_length=1, description="kind of each level on the way down, finest first"
    )
    up_block_types: tuple[Up, ...] = Field(
        ("AttnUpBlock2D", "UpBlock2D"), min_length=1, description="kind of each level on the way up, coarsest first"
    )
    mid_block_type: Literal["UNetMidBlock2D"] | None = Field(
        "UNetMidBlock2D", description="blocks at the coarsest resolution; none: no such blocks"
    )
    layers_per_block: int = Field(
        1, ge=1, le=64, description="residual blocks of a level on the way down; on the way up there is one more"
    )
    attention_head_dim: PositiveInt | None = Field(8, description="channels of an attention head; none: a single head")
    norm_num_groups: PositiveInt = Field(4, description="groups of each group normalisation; 32 in the published networks")
    attn_norm_num_groups: PositiveInt | None = Field(
        None, description="groups of the normalisation before the middle's attention; none: norm_num_groups"
    )
    norm_eps: float = Field(1e-5, gt=0, description="what is added to the variance in each normalisation")
    act_fn: Literal["silu", "swish", "mish", "gelu", "relu"] = Field("silu", description="activation function")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in pretraining")
    center_input_sample: bool = Field(
        False, description="map inputs from [0, 1] to [-1, 1] first; images here are in [-1, 1] already"
    )
    freq_shift: float = Field(0, description="shift of the frequencies of the time's features; 1 in Ho et al.")
    flip_sin_to_cos: bool = Field(
        True, description="whether the time's features are cosines before sines, or sines before cosines"
    )
    time_embedding_dim: PositiveInt | None = Field(
        None, description="width of the time's embedding; none: four times the channels of the finest level"
    )
    downsample_padding: int = Field(
        1,
        ge=0,
        description="padding of the convolutions that halve the resolution; 0 pads on the right and below only, as Ho et al. do",
    )
    downsample_type: Resampling = Field("conv", description="how levels with attention halve the resolution")
    upsample_type: Resampling = Field("conv", description="how levels with attention double the resolution")
    mid_block_scale_factor: float = Field(1.0, gt=0, description="divisor of the sums of residual branches in the middle")
    resnet_time_scale_shift: Literal["default", "scale_shift"] = Field(
        "default", description="how the time enters a block: added (default), or as scale and shift of a normalisation"
    )
    add_attention: bool = Field(True, description="whether the middle has attention")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        lengths = {len(self.block_out_channels), len(self.down_block_types), len(self.up_block_types)}
        if len(lengths) > 1:
            raise ValueError(
                "block_out_channels, down_block_types and up_block_types must have one entry for each level, so be of one length"
            )
        if misfits := [width for width in self.block_out_channels if width % self.norm_num_groups]:
            raise ValueError(f"block_out_channels: {misfits[0]} is not a multiple of norm_num_groups ({self.norm_num_groups})")
        if self.block_out_channels[0] % 2:
            raise ValueError(
                f"block_out_channels begins with {self.block_out_channels[0]}, and the time's features need an even number"
            )
        return self

    @property
    def network(self) -> dict[str, object]:
        """The arguments of `UNet2DModel`, except for channels and size."""
        of_the_network = set(UNet2DConfig.model_fields) - set(ImageChainConfig.model_fields)
        return self.model_dump(include=of_the_network)


class SolverConfig(Config):
    """The settings of both forms of DPM-Solver++."""

    order: Literal[1, 2, 3] = Field(
        2, description="order of the solver; the first steps have a lower order, since they have fewer values to go by"
    )
    solver_type: Literal["midpoint", "heun"] = Field("midpoint", description="form of the second-order step")
    last: Literal["data", "smallest"] = Field(
        "data", description="where the last step ends: at the network's estimate of clean data, or at the smallest noise level"
    )
    lower_order_final: bool = Field(
        True, description="whether the last steps have a lower order where there are fewer than 15 steps"
    )

    @property
    def unused(self) -> frozenset[str]:
        """Settings of steps of second and third order, where the order is 1."""
        return frozenset({"solver_type", "lower_order_final"}) if self.order == 1 else frozenset()


class DenoisingSolverConfig(SolverConfig):
    """The noise levels of DPM-Solver++ for networks that denoise."""

    steps: int = Field(20, ge=2, le=10_000, description="noise levels; the network is called once at each")
    levels: Literal["karras", "exponential"] = Field(
        "karras", description="spacing of the levels: that of Karras et al. (rho), or even in ln(sigma)"
    )
    rho: float = Field(
        7.0, ge=1, le=100, description="of karras: 1 spaces the levels evenly; larger values put more of them near sigma_min"
    )

    @property
    def unused(self) -> frozenset[str]:
        """Also rho, where the levels are not those of Karras et al."""
        return super().unused | (frozenset({"rho"}) if self.levels == "exponential" else frozenset())


class ChainSolverConfig(SolverConfig):
    """The steps of DPM-Solver++ along a diffusion chain."""

    steps: PositiveInt = Field(20, description="steps of the chain that are walked, each with one call of the network")
    spacing: Literal["linspace", "leading", "trailing"] = Field(
        "linspace", description="which steps of the chain, by diffusers' names"
    )


def _drops(config: Config) -> bool:
    """Return whether the network has dropout."""
    return UNet2DConfig.model_validate(config).dropout > 0


@hookimpl
def harness_models() -> list[Model]:
    """Provide the family of all unconditional `UNet2DModel`s that predict noise."""
    return [
        Model(
            "diffusers-unet",
            config=UNet2DConfig,
            build="harness_diffusers.model:build",
            check="harness_diffusers.check:fits",
            layout="harness_diffusers.published:DiffusersLayout",
            drops=_drops,
            packages=DIFFUSERS,
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "WeightedBound", "Transitions", "NoiseChain"}),
            sampler="ancestral",
            smoke={
                "block_out_channels": (8,),
                "down_block_types": ("DownBlock2D",),
                "up_block_types": ("UpBlock2D",),
                "layers_per_block": 1,
                "norm_num_groups": 4,
                "sampling_steps": 4,
            },
            summary="DDPM for images: any UNet2DModel of diffusers, sampled in few steps (FastDPM)",
        )
    ]


def _fewer_steps(config: Config) -> Mapping[str, object]:
    """Return at most four steps, and never more than the board names, since its chain may be as short."""
    return {"steps": min(4, ChainSolverConfig.model_validate(config).steps)}


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide DPM-Solver++ for networks that denoise and for networks that predict the noise of a chain."""
    return [
        Sampler(
            "dpm-solver++",
            config=DenoisingSolverConfig,
            build="harness_diffusers.solver:DenoisingSolver",
            packages=DIFFUSERS,
            needs=frozenset({"Denoises"}),
            smoke={"steps": 4},
            summary="DPM-Solver++ (2M, 3M), deterministic, through diffusers' scheduler for EDM",
        ),
        Sampler(
            "dpm-solver++-chain",
            config=ChainSolverConfig,
            build="harness_diffusers.solver:ChainSolver",
            check="harness_diffusers.schedulers:has_steps",
            packages=DIFFUSERS,
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4},
            shrink=_fewer_steps,
            summary="DPM-Solver++ (2M, 3M), deterministic, along a diffusion chain, through diffusers' scheduler",
        ),
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Provide the published network and a tiny one."""
    from harness_diffusers.presets import PRESETS, TINY

    return [*PRESETS.values(), TINY]
