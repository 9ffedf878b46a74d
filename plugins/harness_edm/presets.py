"""The networks that EDM's authors publish, by name."""

from __future__ import annotations

from collections.abc import Mapping

from harness.interfaces import DataSpec
from harness.presets import Preset, WeightsFile
from harness_edm import UNetConfig

ADDRESS = "https://nvlabs-fi-cdn.nvidia.com/edm/pretrained/"

CIFAR10 = {"model_channels": 128, "channel_mult": (2, 2, 2), "num_blocks": 4, "attn_resolutions": (16,)}
IMAGENET = {"model_channels": 192, "channel_mult": (1, 2, 3, 4), "num_blocks": 3, "attn_resolutions": (32, 16, 8)}

TINY_PARAMETERS = {"ddpm++": 78_561, "ncsn++": 79_921, "adm": 90_001}
"""Parameters of the tiny networks."""

VP, VE = {"architecture": "ddpm++"}, {"architecture": "ncsn++"}


def _preset(name: str, file: str, size: int, parameters: int, settings: Mapping[str, object], classes: int = 0) -> Preset:
    return Preset(
        name, "edm-unet", UNetConfig.model_validate(settings), DataSpec((3, size, size), classes, "images"),
        parameters, (WeightsFile(file, ADDRESS + file),),
    )  # fmt: skip


def _all() -> list[Preset]:
    found = []
    for tag, family, sizes in (("vp", VP, (55_733_891, 55_735_299)), ("ve", VE, (56_397_827, 56_400_643))):
        for condition, classes, parameters in (("uncond", 0, sizes[0]), ("cond", 10, sizes[1])):
            file = f"edm-cifar10-32x32-{condition}-{tag}.pkl"
            settings = {**CIFAR10, **family, "augment_dim": 9, "dropout": 0.13}
            found.append(_preset(f"edm-cifar10-{condition}-{tag}", file, 32, parameters, settings, classes))
    settings = {**IMAGENET, "architecture": "adm", "dropout": 0.10}
    found.append(_preset("edm-imagenet64-cond-adm", "edm-imagenet-64x64-cond-adm.pkl", 64, 295_899_267, settings, 1000))
    return found + [_tiny(family, parameters) for family, parameters in TINY_PARAMETERS.items()]


def _tiny(family: str, parameters: int) -> Preset:
    config = UNetConfig.model_validate({"architecture": family, "head_channels": 8 if family == "adm" else None})
    name = f"edm-tiny-{family.replace('+', 'p')}"
    return Preset(name, "edm-unet", config, DataSpec((1, 8, 8), 10, "images"), parameters)


PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _all()}

TINY = Preset(
    "edm-tiny-8",
    "edm-unet",
    UNetConfig(model_channels=8, channel_mult=(1, 2), attn_resolutions=(4,)),
    DataSpec((1, 8, 8), 0, "images"),
    47_985,
)
"""For smoke runs and the digits board: a step on 128 images of 8×8 is a tenth of a second on one CPU thread."""
