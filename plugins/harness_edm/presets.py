"""The networks that EDM's authors publish, by name, and tiny ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.interfaces import DataSpec
from harness.presets import Preset, PublishedNames, WeightsFile
from harness_edm import UNetConfig

ADDRESS = "https://nvlabs-fi-cdn.nvidia.com/edm/pretrained/"

CIFAR10 = {
    "model_channels": 128, "channel_mult": (2, 2, 2), "num_blocks": 4, "attn_resolutions": (16,), "augment_dim": 9,
    "dropout": 0.13,
}  # fmt: skip
IMAGENET = {
    "model_channels": 192, "channel_mult": (1, 2, 3, 4), "num_blocks": 3, "attn_resolutions": (32, 16, 8), "dropout": 0.10,
}  # fmt: skip

CIFAR10_PARAMETERS = {
    ("vp", "uncond"): 55_733_891, ("vp", "cond"): 55_735_299, ("ve", "uncond"): 56_397_827, ("ve", "cond"): 56_400_643,
}  # fmt: skip
TINY_PARAMETERS = {"ddpm++": 78_561, "ncsn++": 79_921, "adm": 90_001}


def _published(name: str, file: str, size: int, classes: int, parameters: int, settings: Mapping[str, object]) -> Preset:
    config, spec = UNetConfig.model_validate(settings), DataSpec((3, size, size), classes, "images")
    names = PublishedNames(f"harness_edm:published_names/{file.removesuffix('.pkl')}.json.gz")
    return Preset(name, "edm-unet", config, spec, parameters, (WeightsFile(file, ADDRESS + file),), names=(names,))


def _tiny(family: str, parameters: int) -> Preset:
    config = UNetConfig.model_validate({"architecture": family, "head_channels": 8 if family == "adm" else None})
    name = f"edm-tiny-{family.replace('+', 'p')}"
    return Preset(name, "edm-unet", config, DataSpec((1, 8, 8), 10, "images"), parameters)


def _all() -> list[Preset]:
    presets = []
    for (tag, condition), parameters in CIFAR10_PARAMETERS.items():
        settings = {**CIFAR10, "architecture": "ddpm++" if tag == "vp" else "ncsn++"}
        classes = 10 if condition == "cond" else 0
        file = f"edm-cifar10-32x32-{condition}-{tag}.pkl"
        presets.append(_published(f"edm-cifar10-{condition}-{tag}", file, 32, classes, parameters, settings))
    file = "edm-imagenet-64x64-cond-adm.pkl"
    presets.append(_published("edm-imagenet64-cond-adm", file, 64, 1000, 295_899_267, {**IMAGENET, "architecture": "adm"}))
    return presets + [_tiny(family, parameters) for family, parameters in TINY_PARAMETERS.items()]


DDO = "https://huggingface.co/nvidia/DirectDiscriminativeOptimization/resolve/main/"
NEON = "https://huggingface.co/sinaalemohammad/Neon/resolve/main/"


def _fine_tuned() -> list[Preset]:
    """Return the networks that methods' authors published, which have the settings of their bases."""
    presets = []
    for condition, word in (("uncond", "unconditional"), ("cond", "conditional")):
        base = PRESETS[f"edm-cifar10-{condition}-vp"]
        ddo, neon = f"{base.name}-ddo.pkl", f"Neon_EDM_{word}_CIFAR10.pkl"
        files = {"ddo": WeightsFile(ddo, DDO + ddo), "neon": WeightsFile(neon, NEON + neon)}
        notes = {"ddo": "licence of the weights: CC BY-NC-SA 4.0", "neon": "licence of the weights: MIT"}
        presets += [
            replace(base, name=f"{base.name}-{key}", files=(file,), fine_tuned_by=LABELS[key], note=notes[key])
            for key, file in files.items()
        ]
    return presets


LABELS = {"ddo": "DDO", "neon": "Neon"}
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _all()}

FINE_TUNED: Mapping[str, Preset] = {preset.name: preset for preset in _fine_tuned()}

TINY = Preset(
    "edm-tiny-8",
    "edm-unet",
    UNetConfig(model_channels=8, channel_mult=(1, 2), attn_resolutions=(4,)),
    DataSpec((1, 8, 8), 0, "images"),
    47_985,
)
"""For smoke runs and the digits board: a step on 128 images of 8×8 is a tenth of a second on one CPU thread."""
