"""What runs through the library diffusers: U-Nets of its `UNet2DModel`, and DPM-Solver++ by its schedulers.

diffusers is an optional dependency: `pip install finetune-harness[diffusers]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Model, Sampler, hookimpl
from harness.toolkit.chains import ImageChainConfig
from harness.toolkit.optional_packages import DIFFUSERS

if TYPE_CHECKING:
    from harness.presets import Preset

__version__ = "1"

Down = Literal["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D"]
Up = Literal["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D"]
Resampling = Literal["conv", "resnet"]


class UNet2DConfig(ImageChainConfig):
    """A `UNet2DModel` by its own settings, and the chain it is trained on.

    Defaults are diffusers' own, but for the sizes: these are of a tiny network for tests and smoke runs.
    """

    block_out_channels: tuple[PositiveInt, ...] = Field((8, 16), min_length=1, description="width of each level, finest first")
    down_block_types: tuple[Down, ...] = Field(
        ("DownBlock2D", "AttnDownBlock2D"), min_length=1, description="kind of each level on the way down, finest first"
    )
    up_block_types: tuple[Up, ...] = Field(
        ("AttnUpBlock2D", "UpBlock2D"), min_length=1, description="kind of each level on the way up, coarsest first"
    )
    mid_block_type: Literal["UNetMidBlock2D"] | None = Field("UNetMidBlock2D", description="the middle; none for no middle")
    layers_per_block: PositiveInt = Field(1, description="residual blocks a level; the way up has one more")
    attention_head_dim: PositiveInt | None = Field(8, description="channels of an attention head; none for a single head")
    norm_num_groups: PositiveInt = Field(4, description="groups of each normalisation; 32 in the published networks")
    attn_norm_num_groups: PositiveInt | None = Field(None, description="groups before the middle's attention; none: as elsewhere")
    norm_eps: float = Field(1e-5, gt=0, description="added to each normalisation's variance")
    act_fn: Literal["silu", "swish", "mish", "gelu", "relu"] = Field("silu", description="activation")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in training")
    center_input_sample: bool = Field(False, description="take inputs in [0, 1] to [-1, 1]; data here are in [-1, 1] already")
    freq_shift: float = Field(0, description="shift of the frequencies of the time's features; 1 in Ho et al.")
    flip_sin_to_cos: bool = Field(True, description="cosines of the time's features before sines")
    time_embedding_dim: PositiveInt | None = Field(
        None, description="width of the time's embedding; none: 4 times the finest level's"
    )
    downsample_padding: int = Field(1, ge=0, description="padding on the way down; 0 pads right and below, as Ho et al. do")
    downsample_type: Resampling = Field("conv", description="how attending levels get smaller")
    upsample_type: Resampling = Field("conv", description="how attending levels get larger")
    mid_block_scale_factor: float = Field(1.0, gt=0, description="divides the sums of the middle's residual branches")
    resnet_time_scale_shift: Literal["default", "scale_shift"] = Field(
        "default", description="how the time enters a block: added, or as scale and shift of a normalisation"
    )
    add_attention: bool = Field(True, description="attention in the middle")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        lengths = {len(self.block_out_channels), len(self.down_block_types), len(self.up_block_types)}
        if len(lengths) > 1:
            raise ValueError("block_out_channels, down_block_types and up_block_types are of one length, a level each")
        if odd := [width for width in self.block_out_channels if width % self.norm_num_groups]:
            raise ValueError(f"block_out_channels: {odd[0]} is not a multiple of norm_num_groups ({self.norm_num_groups})")
        if self.block_out_channels[0] % 2:
            raise ValueError(f"block_out_channels begins with an odd number ({self.block_out_channels[0]})")
        return self

    @property
    def network(self) -> dict[str, object]:
        """Arguments of `UNet2DModel`, but for channels and size."""
        own = set(UNet2DConfig.model_fields) - set(ImageChainConfig.model_fields)
        return self.model_dump(include=own)


class SolverConfig(Config):
    """What both forms of DPM-Solver++ can be told."""

    order: Literal[1, 2, 3] = Field(2, description="order of the solver; the first steps have fewer values to go by")
    solver_type: Literal["midpoint", "heun"] = Field("midpoint", description="form of the second-order step")
    last: Literal["data", "smallest"] = Field(
        "data", description="where the last step ends: at the network's estimate of clean data, or at the smallest noise level"
    )
    lower_order_final: bool = Field(True, description="last steps of lower order where there are fewer than 15")


class DenoisingSolverConfig(SolverConfig):
    """Steps and levels of DPM-Solver++ for networks that denoise."""

    steps: int = Field(20, ge=2, le=10_000, description="noise levels; the network is called once at each")
    levels: Literal["karras", "exponential"] = Field("karras", description="Karras's levels (rho), or even in ln(sigma)")
    rho: float = Field(7.0, ge=1, le=100, description="karras: 1 spaces the levels evenly; more puts them near sigma_min")


class ChainSolverConfig(SolverConfig):
    """Steps of DPM-Solver++ along a diffusion chain."""

    steps: PositiveInt = Field(20, description="steps of the chain that are walked, each one call of the network")
    spacing: Literal["linspace", "leading", "trailing"] = Field("linspace", description="which steps, by diffusers' names")


@hookimpl
def harness_models() -> list[Model]:
    """Any unconditional `UNet2DModel` that predicts noise."""
    return [
        Model(
            "diffusers-unet",
            config=UNet2DConfig,
            build="harness_diffusers.model:build",
            check="harness_diffusers.check:fits",
            layout="harness_diffusers.published:DiffusersLayout",
            packages=DIFFUSERS,
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "Transitions", "NoiseChain"}),
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


@hookimpl
def harness_samplers() -> list[Sampler]:
    """DPM-Solver++ for both kinds of networks."""
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
            packages=DIFFUSERS,
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4},
            summary="DPM-Solver++ (2M, 3M), deterministic, along a diffusion chain, through diffusers' scheduler",
        ),
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """The published network, and a tiny one."""
    from harness_diffusers.presets import PRESETS, TINY

    return [*PRESETS.values(), TINY]
