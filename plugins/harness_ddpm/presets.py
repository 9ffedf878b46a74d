"""The DDPM networks that SFT-PG fine-tunes, by name, and a tiny one."""

from __future__ import annotations

from collections.abc import Mapping

from harness.interfaces import DataSpec
from harness.presets import Preset, PublishedNames, WeightsFile
from harness_ddpm import UNetConfig

HEIBOX = "https://heibox.uni-heidelberg.de/f/2e4f01e2d9ee49bab1d5/?dl=1"
"""Ho et al.'s averaged weights of CIFAR-10, converted from TensorFlow; SFT-PG starts from them."""
RAW = (
    "raw weights, whose FID over 1000 steps is about 12; Ho et al. report 3.17 with the averaged weights, which the preset "
    "sftpg-cifar10 names"
)
BY_HAND = (
    "DDIM's weights, published on a shared drive alone (file 1R_H-fJYXSH79wfSKs9D-fuKQVan5L-GR): fetch the file by hand and "
    "name it, `weights: {preset: sftpg-celeba64, file: PATH}`"
)
GOOGLE = "https://huggingface.co/google/ddpm-cifar10-32/resolve/main/diffusion_pytorch_model.bin"


def _preset(
    name: str,
    size: int,
    mult: tuple[int, ...],
    parameters: int,
    file: WeightsFile | None = None,
    *,
    note: str = "",
    names: str = "",
) -> Preset:
    """Return a preset. names: the list of the names in its file; by default the one under the preset's name."""
    config = UNetConfig(ch=128, ch_mult=mult, num_res_blocks=2, attn_resolutions=(16,), dropout=0.1, norm_groups=32)
    spec = DataSpec((3, size, size), 0, "images")
    listed = PublishedNames(f"harness_ddpm:published_names/{names or name}.json.gz")
    return Preset(name, "ddpm-unet", config, spec, parameters, (file,) if file else (), note=note, names=(listed,))


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        _preset("sftpg-cifar10", 32, (1, 2, 2, 2), 35_746_307, WeightsFile("ddpm_ema_cifar10.ckpt", HEIBOX)),
        # DDIM's file, which only a shared drive has: there is no address from which a program can fetch it.
        _preset("sftpg-celeba64", 64, (1, 2, 2, 2, 4), 78_700_803, note=BY_HAND),
        # The network of sftpg-cifar10 in diffusers' layout, which the layout of ddpm-unet translates.
        _preset(
            "ddpm-cifar10",
            32,
            (1, 2, 2, 2),
            35_746_307,
            WeightsFile("ddpm-cifar10-32-diffusion_pytorch_model.bin", GOOGLE),
            note=RAW,
            names="diffusers-ddpm-cifar10-32",
        ),
    )
}

TINY = Preset(
    "ddpm-tiny-8", "ddpm-unet", UNetConfig(ch=8, ch_mult=(1, 2), attn_resolutions=(4,)), DataSpec((1, 8, 8), 0, "images"), 44_969
)
"""For smoke runs and the digits board: a step on 128 images of 8×8 is a tenth of a second on one CPU thread."""
