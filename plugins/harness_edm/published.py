"""The constructor arguments of published EDM networks as settings of this plugin."""

from __future__ import annotations

from collections.abc import Mapping

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.published_arguments import checked_settings, refuse_unknown, square_images, whole_number
from harness.weights.layouts import Layout
from harness.weights.stored import Stored
from harness_edm import UNetConfig

WHERE = "EDM network"

SAME_NAME = (
    "model_channels", "channel_mult", "channel_mult_emb", "num_blocks", "attn_resolutions", "dropout", "augment_dim",
    "sigma_data",
)  # fmt: skip
"""Arguments whose name is that of the setting."""

DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "SongUNet": {"model_channels": 128, "channel_mult": [1, 2, 2, 2], "num_blocks": 4, "attn_resolutions": [16],
                 "dropout": 0.10, "embedding_type": "positional", "channel_mult_noise": 1, "encoder_type": "standard",
                 "decoder_type": "standard", "resample_filter": [1, 1]},
    "DhariwalUNet": {"model_channels": 192, "channel_mult": [1, 2, 3, 4], "num_blocks": 3,
                     "attn_resolutions": [32, 16, 8], "dropout": 0.10},
}  # fmt: skip
"""The values of arguments that a file leaves out, by the kind of the raw network."""

COMMON_DEFAULTS: Mapping[str, object] = {"channel_mult_emb": 4, "augment_dim": 0, "sigma_data": 0.5}

DATA = ("img_resolution", "img_channels", "label_dim")

IGNORED = ("use_fp16", "sigma_min", "sigma_max", "label_dropout", "preconditioner")
"""Arguments that say how the network was run and trained. What it computes in float32 does not depend on them."""


def from_arguments(arguments: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Return settings and data of a network from the arguments with which it was made, according to its file.

    Raises: UserError for an architecture, an argument, or a value of an argument, that this plugin does not know.
    """
    kind = str(arguments.get("model_type", "DhariwalUNet"))
    if kind not in DEFAULTS:
        raise UserError(f"{WHERE}: no architecture is called {kind!r}; there are {', '.join(DEFAULTS)}")
    refuse_unknown(arguments, {*SAME_NAME, *IGNORED, *DEFAULTS[kind], *DATA, "model_type"}, where=WHERE)
    complete = {**COMMON_DEFAULTS, **DEFAULTS[kind], **arguments}
    settings = {name: complete[name] for name in SAME_NAME}
    settings |= _song_settings(complete) if kind == "SongUNet" else {"architecture": "adm"}
    channels, side = (whole_number(complete, name, where=WHERE, least=1) for name in ("img_channels", "img_resolution"))
    classes = whole_number(complete, "label_dim", default=0, where=WHERE)
    return checked_settings(UNetConfig, settings, where=WHERE), square_images(channels, side, classes)


def _song_settings(arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that only DDPM++ and NCSN++ have."""
    encoder, decoder = arguments["encoder_type"], arguments["decoder_type"]
    if decoder != "standard" or encoder not in ("standard", "residual"):
        raise UserError(f"{WHERE}: no network here has the encoder {encoder!r} and the decoder {decoder!r}")
    return {
        "architecture": "ncsn++" if encoder == "residual" else "ddpm++",
        "embedding": arguments["embedding_type"],
        "encoder": encoder,
        "channel_mult_noise": arguments["channel_mult_noise"],
        "resample_filter": arguments["resample_filter"],
    }


class EDMLayout(Layout):
    """Network pickles, which have the names of the network itself, and which say with what arguments it was made."""

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return settings and data of a network with EDM's preconditioning; None for other files."""
        if stored.config.get("class_name") != "EDMPrecond":
            return None
        return from_arguments({name: value for name, value in stored.config.items() if name != "class_name"})
