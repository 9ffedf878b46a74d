"""The arguments of published EDM networks become settings, or a message that names what this plugin has not."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.stored import Stored
from harness_edm.published import EDMLayout, from_arguments

SONG = {"img_resolution": 16, "img_channels": 3, "model_type": "SongUNet"}
VE = {"embedding_type": "fourier", "encoder_type": "residual", "channel_mult_noise": 2, "resample_filter": [1, 3, 3, 1]}


def test_what_a_file_leaves_out_is_what_the_constructor_has():
    config, spec = from_arguments({**SONG, "label_dim": 5, "use_fp16": True})
    assert spec == DataSpec((3, 16, 16), classes=5, preview="images")
    assert (config.architecture, config.model_channels, config.channel_mult) == ("ddpm++", 128, (1, 2, 2, 2))
    assert (config.num_blocks, config.attn_resolutions, config.dropout) == (4, (16,), 0.10)
    assert (config.noise_embedding, config.input_stream, config.taps) == ("positional", "standard", (1, 1))


def test_ncsnpp_is_told_by_its_encoder():
    config, _ = from_arguments({**SONG, **VE})
    assert (config.architecture, config.noise_embedding, config.input_stream) == ("ncsn++", "fourier", "residual")
    assert (config.noise_mult, config.taps) == (2, (1, 3, 3, 1))


def test_a_mixture_of_both_families_keeps_what_the_file_says():
    config, _ = from_arguments({**SONG, "embedding_type": "fourier"})
    assert (config.architecture, config.noise_embedding) == ("ddpm++", "fourier")


def test_adm_is_the_kind_of_a_file_that_names_none():
    config, spec = from_arguments({"img_resolution": 64, "img_channels": 3, "label_dim": 1000})
    assert (config.architecture, config.model_channels, config.channel_mult) == ("adm", 192, (1, 2, 3, 4))
    assert (config.num_blocks, config.attn_resolutions, config.channels_per_head) == (3, (32, 16, 8), 64)
    assert spec.classes == 1000


def test_what_a_file_says_comes_before_the_defaults():
    settings = {"model_channels": 8, "channel_mult": [1, 1], "num_blocks": 2, "augment_dim": 9, "sigma_data": 0.3}
    config, spec = from_arguments({**SONG, **settings})
    assert (config.model_channels, config.channel_mult, config.num_blocks) == (8, (1, 1), 2)
    assert (config.augment_dim, config.sigma_data) == (9, 0.3)
    assert spec.classes == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_type": "VisionTransformer"}, "no architecture is called 'VisionTransformer'; there are SongUNet, DhariwalUNet"),
        ({"twist": 1, "aim": 2}, "arguments that are not known here: aim, twist"),
        ({"encoder_type": "skip"}, "no network here has the encoder 'skip' and the decoder 'standard'"),
        ({"decoder_type": "skip"}, "no network here has the encoder 'standard' and the decoder 'skip'"),
        ({"img_resolution": None}, "img_resolution is None, not a whole number"),
    ],
)
def test_what_this_plugin_has_not_is_named(arguments, message):
    with pytest.raises(UserError, match=f"^EDM network: {message}$"):
        from_arguments({**SONG, **arguments})


def test_an_argument_of_the_other_kind_is_unknown():
    with pytest.raises(UserError, match="not known here: encoder_type"):
        from_arguments({"img_resolution": 64, "img_channels": 3, "encoder_type": "standard"})


def test_a_file_with_edms_preconditioning_describes_itself_and_others_do_not():
    layout, config = EDMLayout(), {"class_name": "EDMPrecond", **SONG}
    described = layout.describe(Stored(Path("network.pkl"), "nvidia", {}, config))
    assert described == from_arguments(SONG)
    assert layout.describe(Stored(Path("network.pkl"), "nvidia", {}, {**config, "class_name": "VPPrecond"})) is None
    assert layout.describe(Stored(Path("network.pkl"), "nvidia", {}, {})) is None
