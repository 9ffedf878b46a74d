"""Published `UNet2DModel`s by name."""

from __future__ import annotations

from collections.abc import Mapping

from harness.interfaces import DataSpec
from harness.presets import Preset, PublishedNames, WeightsFile
from harness_diffusers import UNet2DConfig

CIFAR10 = "https://huggingface.co/google/ddpm-cifar10-32/resolve/main/diffusion_pytorch_model.bin"

PRESETS: Mapping[str, Preset] = {
    "ddpm-cifar10-32": Preset(
        "ddpm-cifar10-32",
        "diffusers-unet",
        UNet2DConfig(
            block_out_channels=(128, 256, 256, 256),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=2,
            attention_head_dim=None,
            norm_num_groups=32,
            norm_eps=1e-6,
            freq_shift=1,
            flip_sin_to_cos=False,
            downsample_padding=0,
        ),
        DataSpec((3, 32, 32), 0, "images"),
        35_746_307,
        # ddpm-unet's preset of the same network keeps the same file under this name: it is downloaded once.
        (WeightsFile("ddpm-cifar10-32-diffusion_pytorch_model.bin", CIFAR10),),
        note="raw weights, whose FID over 1000 steps is about 12; Ho et al. report 3.17 with the averaged weights",
        names=(PublishedNames("harness_diffusers:published_names/diffusers-ddpm-cifar10-32.json.gz"),),
    )
}

TINY = Preset(
    "diffusers-tiny-8", "diffusers-unet", UNet2DConfig(block_out_channels=(8, 16)), DataSpec((1, 8, 8), 0, "images"), 44_969
)
"""For smoke runs."""
