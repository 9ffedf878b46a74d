"""The constructor arguments of published EDM networks as settings of this plugin."""

from __future__ import annotations

from collections.abc import Mapping

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.layouts import Layout
from harness.weights.stored import Stored
from harness_edm import UNetConfig

PLAIN = (
    "model_channels", "channel_mult", "channel_mult_emb", "num_blocks", "attn_resolutions", "dropout", "augment_dim",
    "sigma_data",
)  # fmt: skip
"""Arguments with the name that they have here."""

# What a network has whose file leaves the argument out.
DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "SongUNet": {"channel_mult": [1, 2, 2, 2], "num_blocks": 4, "attn_resolutions": [16], "dropout": 0.10,
                 "embedding_type": "positional", "channel_mult_noise": 1, "encoder_type": "standard",
                 "decoder_type": "standard", "resample_filter": [1, 1]},
    "DhariwalUNet": {"channel_mult": [1, 2, 3, 4], "num_blocks": 3, "attn_resolutions": [32, 16, 8], "dropout": 0.10},
}  # fmt: skip
COMMON = {"channel_mult_emb": 4, "augment_dim": 0, "sigma_data": 0.5, "label_dim": 0}
IGNORED = {"use_fp16", "sigma_min", "sigma_max", "label_dropout", "preconditioner"}
"""How the network was run and trained; its function in float32 does not depend on them."""


def from_arguments(arguments: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Settings and data of a network from the arguments with which its file says it was made.

    Raises: UserError for an architecture, or a value of an argument, that this plugin has not.
    """
    kind = str(arguments.get("model_type", "DhariwalUNet"))
    if kind not in DEFAULTS:
        raise UserError(f"no EDM network is called {kind!r}; there are {', '.join(DEFAULTS)}")
    full = {"model_channels": 128 if kind == "SongUNet" else 192, **COMMON, **DEFAULTS[kind], **arguments}
    settings = {name: full[name] for name in PLAIN} | {"architecture": "adm"}
    if kind == "SongUNet":
        if full["decoder_type"] != "standard" or full["encoder_type"] not in ("standard", "residual"):
            raise UserError(f"no network has encoder {full['encoder_type']!r} and decoder {full['decoder_type']!r}")
        settings |= {
            "architecture": "ncsn++" if full["encoder_type"] == "residual" else "ddpm++",
            "embedding": full["embedding_type"],
            "encoder": full["encoder_type"],
            "channel_mult_noise": full["channel_mult_noise"],
            "resample_filter": full["resample_filter"],
        }
    known = {*PLAIN, *IGNORED, *DEFAULTS[kind], "model_type", "img_resolution", "img_channels", "label_dim"}
    if strange := sorted(set(arguments) - known):
        raise UserError(f"EDM network with arguments that are not known here: {', '.join(strange)}")
    size = full["img_resolution"]
    spec = DataSpec((full["img_channels"], size, size), classes=full["label_dim"], preview="images")  # type: ignore[arg-type]
    return UNetConfig.model_validate(settings), spec


class EDMLayout(Layout):
    """Network pickles, whose names are the network's own, and which say with what arguments it was made."""

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """From a network with EDM's preconditioning."""
        if stored.config.get("class_name") != "EDMPrecond":
            return None
        return from_arguments({name: value for name, value in stored.config.items() if name != "class_name"})
