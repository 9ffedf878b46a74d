"""MaskGIT's tokenizer: codes, their gradients, and where its layouts have attention."""

import pytest
import torch

from harness.streams import stream
from harness_maskgit import TOKENIZER_PRESETS, VQGANConfig
from harness_maskgit.tokenizer import LLAMAGEN, VQGAN, Codebook, shape_of

LAYOUTS = pytest.mark.parametrize("layout", ["taming", "llamagen"])


def tokenizer(layout="llamagen", seed=0, channels=1, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VQGAN(VQGANConfig(layout=layout, ch=4, ch_mult=(1, 1), **settings), channels=channels).double()


def images(n=3, channels=1):
    return torch.randn(n, channels, 8, 8, generator=stream(0, "images"), dtype=torch.float64)


@LAYOUTS
@torch.no_grad()
def test_a_token_is_the_code_nearest_to_its_latent(layout):
    model = tokenizer(layout)
    z, codes = model.latent(images()).permute(0, 2, 3, 1), model.quantize.embedding.weight
    if layout == "llamagen":
        z, codes = z / z.norm(dim=-1, keepdim=True), codes / codes.norm(dim=-1, keepdim=True)
    expected = torch.cdist(z.flatten(0, 2), codes).argmin(-1).view(3, 4, 4)
    assert torch.equal(model.encode(images()), expected)


@LAYOUTS
@torch.no_grad()
def test_decoding_is_the_decoder_of_the_codes_and_not_clamped(layout):
    model = tokenizer(layout)
    tokens = model.encode(images())
    codes = model.quantize(tokens).permute(0, 3, 1, 2)
    torch.testing.assert_close(model.embed(tokens), codes)
    torch.testing.assert_close(model.decode(tokens), model.decoder(model.post_quant_conv(codes)))
    with torch.no_grad():
        model.decoder.conv_out.bias += 5
    assert model.decode(tokens).min() > 1


def test_codes_have_unit_length_in_use_where_the_layout_says_so():
    for layout, length in (("llamagen", True), ("taming", False)):
        codes = tokenizer(layout).quantize(torch.arange(32))
        lengths = codes.norm(dim=-1)
        assert torch.allclose(lengths, torch.ones_like(lengths)) == length
    plain = tokenizer("llamagen", codebook_l2_norm=False).quantize
    torch.testing.assert_close(plain(torch.arange(32)), plain.embedding.weight)


def test_the_length_of_a_latent_does_not_matter_to_codes_of_unit_length():
    codebook = Codebook(VQGANConfig())
    z = torch.randn(5, 4, generator=stream(0, "z"))
    assert torch.equal(codebook.nearest(z), codebook.nearest(100 * z))


def test_published_files_of_the_llamagen_layout_have_a_table_of_codes_last_used():
    assert "quantize.codebook_used" in tokenizer("llamagen").state_dict()
    assert "quantize.codebook_used" not in tokenizer("taming").state_dict()


@LAYOUTS
def test_each_term_moves_its_own_weights(layout):
    def moved(term):
        model = tokenizer(layout)
        getattr(model.terms(images()), term).sum().backward()
        parts = {"encoder": model.encoder, "decoder": model.decoder, "codes": model.quantize.embedding}
        return {name for name, part in parts.items() if any(p.grad is not None and p.grad.any() for p in part.parameters())}

    assert moved("reconstructed") == {"encoder", "decoder"}
    assert moved("commitment") == {"encoder"}
    assert moved("codebook") == {"codes"}


@LAYOUTS
def test_the_distances_are_mean_squares_between_latents_and_codes(layout):
    model = tokenizer(layout)
    with torch.no_grad():
        z = model.quantize.project(model.latent(images()).permute(0, 2, 3, 1))
        codes = model.quantize(model.encode(images()))
        terms = model.terms(images())
    expected = (z - codes).square().mean((1, 2, 3))
    torch.testing.assert_close(terms.commitment, expected)
    torch.testing.assert_close(terms.codebook, expected)
    torch.testing.assert_close(terms.latents, z.flatten(1, 2))
    assert torch.equal(terms.tokens, model.encode(images()).flatten(1))


@torch.no_grad()
def test_a_reconstruction_is_the_decoded_tokens():
    model = tokenizer()
    torch.testing.assert_close(model.terms(images()).reconstructed, model.decode(model.encode(images())))


def test_tokens_that_name_no_code_are_refused():
    for wrong in (-1, 32):
        with pytest.raises(ValueError, match="the codebook has codes 0 to 31"):
            tokenizer().embed(torch.full((1, 4, 4), wrong))


def test_tamings_attention_is_at_the_levels_of_the_nominal_resolutions():
    config = VQGANConfig(layout="taming", ch_mult=(1, 1, 2), attn_resolutions=(128, 64), resolution=256)
    assert shape_of(config, 3).attention == {1, 2}
    assert shape_of(VQGANConfig(layout="taming", ch_mult=(1, 1, 2)), 3).attention == set()


def test_llamagens_attention_is_at_the_last_level():
    shape = shape_of(VQGANConfig(ch_mult=(1, 1, 2)), 3)
    assert shape.attention == {2}
    assert shape.names is LLAMAGEN


@pytest.mark.parametrize("preset", TOKENIZER_PRESETS)
def test_published_tokenizers_have_the_sizes_of_their_names(preset):
    config = VQGANConfig(preset=preset)
    assert config.downsample == (8 if preset.endswith("8") else 16)
    assert config.codebook_size == (1024 if preset.startswith("taming") else 16384)
    assert config.has_unit_codes == preset.startswith("llamagen")


@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_images_of_any_number_of_channels_come_back(channels):
    model = tokenizer(channels=channels)
    assert model.decode(model.encode(images(channels=channels))).shape == (3, channels, 8, 8)
