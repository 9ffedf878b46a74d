"""The tokenizers' autoencoder: one network under the names that each published layout has."""

import pytest
import torch

from harness.streams import stream
from harness.toolkit.autoencoder import Architecture, Decoder, Encoder, LayerNames

LLAMAGEN = LayerNames(down="levels", up="levels", block="res", middle=("0", "1", "2"), full_resolution_first=False)
LAYOUTS = {"packed": LayerNames(packed=True), "as evaluated": LLAMAGEN}


def shape(names, **others):
    sizes = {"channels": 1, "width": 8, "multipliers": (1, 2, 3), "blocks": 2, "latents": 4, "attention": (0, 2)}
    return Architecture(**{**sizes, **others}, names=names)


def renamed(state, names, levels):
    """Weights with taming's names under those of another layout."""
    given = {}
    for name, value in state.items():
        part, *rest = name.split(".")
        if part in ("down", "up"):
            level, block = int(rest[0]), rest[1].replace("block", names.block)
            if part == "up" and not names.full_resolution_first:
                level = levels - 1 - level
            rest = [str(level), block, *rest[2:]]
            part = names.down if part == "down" else names.up
        elif part == "mid":
            rest[0] = dict(zip(LayerNames().middle, names.middle, strict=True))[rest[0]]
        given[".".join([part, *rest])] = value
    if names.packed:
        for name in [name for name in given if ".q." in name]:
            parts = [given.pop(name.replace(".q.", f".{letter}.")) for letter in "qkv"]
            given[name.replace(".q.", ".qkv.")] = torch.cat(parts)
    return given


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [Encoder, Decoder])
def test_layouts_differ_in_names_alone(kind, layout):
    names = LAYOUTS[layout]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        taming, other = kind(shape(LayerNames())).double(), kind(shape(names)).double()
    other.load_state_dict(renamed(taming.state_dict(), names, levels=3), strict=True)
    channels, side = (1, 8) if kind is Encoder else (4, 2)
    x = torch.randn(2, channels, side, side, generator=stream(0, "x"), dtype=torch.float64)
    torch.testing.assert_close(other(x), taming(x))


def test_each_level_but_one_halves_the_image_and_the_decoder_doubles_it():
    for multipliers, latent in [((1,), 16), ((1, 1), 8), ((1, 2, 2, 4), 2)]:
        sizes = shape(LayerNames(), multipliers=multipliers, attention=())
        z = Encoder(sizes)(torch.zeros(1, 1, 16, 16))
        assert z.shape == (1, 4, latent, latent)
        assert Decoder(sizes)(z).shape == (1, 1, 16, 16)


def test_attention_is_at_its_levels_and_always_in_the_middle():
    names = set(Encoder(shape(LayerNames(), attention=(1,))).state_dict())
    levels = {name.split(".")[1] for name in names if name.startswith("down") and ".attn." in name}
    assert levels == {"1"}
    assert any(name.startswith("mid.attn_1") for name in names)
