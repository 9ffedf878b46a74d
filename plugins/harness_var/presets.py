"""The published VAR models, with the tokenizer that they share, by name."""

from __future__ import annotations

from collections.abc import Mapping

from harness.interfaces import DataSpec
from harness.presets import Preset, WeightsFile
from harness_var import VARConfig, VQVAEConfig

ADDRESS = "https://huggingface.co/FoundationVision/var/resolve/main/"
TOKENIZER = WeightsFile("vae_ch160v4096z32.pth", f"{ADDRESS}vae_ch160v4096z32.pth", part="tokenizer")

# Pixels a side, and the number of trainable parameters, which are the transformer's.
SIZES = {
    "d16": (256, 310_283_520), "d20": (256, 600_917_136), "d24": (256, 1_033_399_360), "d30": (256, 2_010_020_356),
    "d36-s": (512, 2_353_893_904),
}  # fmt: skip


def _preset(size: str, side: int, parameters: int) -> Preset:
    file = f"var_{size.removesuffix('-s')}.pth"
    config = VARConfig.model_validate({"preset": size})
    spec = DataSpec((3, side, side), 1000, "images")
    return Preset(f"var-{size}", "var", config, spec, parameters, (WeightsFile(file, ADDRESS + file), TOKENIZER))


_TINY = Preset("var-tiny", "var", VARConfig(tokenizer=VQVAEConfig(ch_mult=(1, 1))), DataSpec((1, 8, 8), 10, "images"), 42_248)
PRESETS: Mapping[str, Preset] = {
    preset.name: preset for preset in (*(_preset(size, *rest) for size, rest in SIZES.items()), _TINY)
}
