"""The published VAR models, with the tokenizer that they share, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.interfaces import DataSpec
from harness.presets import Preset, PublishedNames, WeightsFile
from harness_var import VARConfig, VQVAEConfig

ADDRESS = "https://huggingface.co/FoundationVision/var/resolve/main/"
TOKENIZER = WeightsFile(
    "vae_ch160v4096z32.pth",
    f"{ADDRESS}vae_ch160v4096z32.pth",
    "7c3ec27ae28a3f87055e83211ea8cc8558bd1985d7b51742d074fb4c2fcf186c",
    part="tokenizer",
    size_bytes=436_075_834,
)
HASHES = {"var_d16.pth": "4f6151aad91c94e03e224dd7358d8389fa05301c0c291279566998efb54b0ecb"}
"""Of files of which a hash is known: one source prints that of d16."""
DDO = "https://huggingface.co/nvidia/DirectDiscriminativeOptimization/resolve/main/"
CCA = "https://huggingface.co/ChenDRAG/CCA_VAR/resolve/main/CCA_VAR_Guidance_Free/"
NEON = "https://huggingface.co/sinaalemohammad/Neon/resolve/main/"

# Pixels a side, and the number of trainable parameters, which are the transformer's.
SIZES = {
    "d16": (256, 310_283_520), "d20": (256, 600_917_136), "d24": (256, 1_033_399_360), "d30": (256, 2_010_020_356),
    "d36-s": (512, 2_353_893_904),
}  # fmt: skip


def _preset(size: str, side: int, parameters: int) -> Preset:
    file = f"var_{size.removesuffix('-s')}.pth"
    config = VARConfig.model_validate({"preset": size})
    spec = DataSpec((3, side, side), 1000, "images")
    # The scales of 512 pixels give the tokenizer another buffer's rows; the published file is the same.
    tokenizer = "vae_ch160v4096z32" + ("_512" if side == 512 else "")
    names = (
        PublishedNames(f"harness_var:published_names/var_{size}.json.gz"),
        PublishedNames(f"harness_var:published_names/{tokenizer}.json.gz", part="tokenizer"),
    )
    files = (WeightsFile(file, ADDRESS + file, HASHES.get(file)), TOKENIZER)
    return Preset(f"var-{size}", "var", config, spec, parameters, files, names=names)


_TINY = Preset("var-tiny", "var", VARConfig(tokenizer=VQVAEConfig(ch_mult=(1, 1))), DataSpec((1, 8, 8), 10, "images"), 42_248)
PRESETS: Mapping[str, Preset] = {
    preset.name: preset for preset in (*(_preset(size, *rest) for size, rest in SIZES.items()), _TINY)
}


def _fine_tuned() -> Iterator[Preset]:
    """Yield the networks that methods' authors published, which have the settings of their bases."""
    licences = {"DDO": "licence of the weights: CC BY-NC-SA 4.0", "Neon": "licence of the weights: MIT"}
    files = [
        *(("DDO", size, f"var_{size}-ddo.pth", DDO) for size in ("d16", "d30")),
        *(("CCA", size, f"VAR_{size}_CCA.pth", CCA) for size in ("d16", "d20", "d24", "d30")),
        ("Neon", "d16", "Neon_VARd16_imagenet256.pth", NEON),
    ]
    for author, size, file, address in files:
        base = PRESETS[f"var-{size}"]
        yield replace(
            base,
            name=f"{base.name}-{author.lower()}",
            files=(WeightsFile(file, address + file), TOKENIZER),
            fine_tuned_by=author,
            note=licences.get(author, "the licence of the weights is not known here: see where they are published"),
        )


FINE_TUNED: Mapping[str, Preset] = {preset.name: preset for preset in _fine_tuned()}
