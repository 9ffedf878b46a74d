"""The DDPM networks that SFT-PG fine-tunes, by name, and a tiny one."""

from __future__ import annotations

from collections.abc import Mapping

from harness.interfaces import DataSpec
from harness.presets import Preset, WeightsFile
from harness_ddpm import UNetConfig

GOOGLE = "https://huggingface.co/google/ddpm-cifar10-32/resolve/main/diffusion_pytorch_model.bin"


def _preset(name: str, size: int, mult: tuple[int, ...], parameters: int, file: WeightsFile | None = None) -> Preset:
    config = UNetConfig(ch=128, ch_mult=mult, num_res_blocks=2, attn_resolutions=(16,), dropout=0.1, norm_groups=32)
    spec = DataSpec((3, size, size), 0, "images")
    return Preset(name, "ddpm-unet", config, spec, parameters, (file,) if file else ())


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        # SFT-PG starts from checkpoints of Ho et al. that third parties converted from TensorFlow: there is no single address.
        _preset("sftpg-cifar10", 32, (1, 2, 2, 2), 35_746_307),
        _preset("sftpg-celeba64", 64, (1, 2, 2, 2, 4), 78_700_803),
        # The network of sftpg-cifar10 in diffusers' layout, which the layout of ddpm-unet translates.
        _preset("ddpm-cifar10", 32, (1, 2, 2, 2), 35_746_307, WeightsFile("ddpm-cifar10-32-diffusion_pytorch_model.bin", GOOGLE)),
    )
}

TINY = Preset(
    "ddpm-tiny-8", "ddpm-unet", UNetConfig(ch=8, ch_mult=(1, 2), attn_resolutions=(4,)), DataSpec((1, 8, 8), 0, "images"), 44_969
)
"""For smoke runs and the digits board: a step on 128 images of 8×8 is a tenth of a second on one CPU thread."""
