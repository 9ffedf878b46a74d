"""VAR's tokenizer: images to a pyramid of tokens and back, and the gradients that train it."""

import pytest
import torch

from harness.streams import stream
from harness_var import VQVAEConfig
from harness_var.tokenizer import VQVAE

SIDES = (1, 2, 4)


def tokenizer(seed=0, channels=1, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VQVAE(VQVAEConfig(ch=4, ch_mult=(1, 1), **settings), SIDES, channels=channels).double()


def images(n=3, channels=1, side=8):
    return torch.randn(n, channels, side, side, generator=stream(0, "images"), dtype=torch.float64)


@torch.no_grad()
def test_tokens_are_the_scales_one_after_the_other():
    model = tokenizer()
    tokens = model.encode(images())
    assert tokens.shape == (3, 1 + 4 + 16)
    scales = model.quantize.encode(model.latent(images()))
    assert [scale.shape[1] for scale in scales] == [1, 4, 16]
    assert torch.equal(tokens, torch.cat(scales, 1))
    for own, cut in zip(scales, model.scales(tokens), strict=True):
        assert torch.equal(own, cut)


@torch.no_grad()
def test_decoding_is_the_decoder_of_the_sum_of_all_scales():
    model = tokenizer()
    tokens = model.encode(images())
    *_, total = model.quantize.partial_sums(model.scales(tokens))
    expected = model.decoder(model.post_quant_conv(total)).clamp(-1, 1)
    torch.testing.assert_close(model.decode(tokens), expected)
    assert model.decode(tokens).abs().max() <= 1


@torch.no_grad()
def test_a_part_of_the_pyramid_is_an_image_too():
    model = tokenizer()
    sums = list(model.quantize.partial_sums(model.scales(model.encode(images()))))
    assert all(model.images(total).shape == (3, 1, 8, 8) for total in sums)


@torch.no_grad()
def test_the_teachers_input_has_all_positions_but_those_of_the_first_scale():
    model = tokenizer()
    assert model.teacher_input(model.encode(images())).shape == (3, 20, 4)


@torch.no_grad()
def test_images_can_be_coded_at_other_scales_of_the_same_last_side():
    model = tokenizer()
    assert model.encode(images(), (1, 3, 4)).shape == (3, 1 + 9 + 16)
    assert model.encode(images(side=6), (1, 3)).shape == (3, 1 + 9)


def test_reconstructions_pass_gradients_straight_through_to_the_encoder_and_none_to_the_codes():
    model = tokenizer()
    terms = model.terms(images())
    terms.reconstructed.sum().backward()
    assert model.encoder.conv_in.weight.grad.any()
    assert model.decoder.conv_in.weight.grad.any()
    assert model.quantize.embedding.weight.grad is None


def test_the_straight_through_gradient_is_that_of_the_decoder_at_the_quantised_latent():
    model, x = tokenizer(), images()
    f = model.latent(x)
    f.retain_grad()
    total = sum(scale.detail for scale in model.quantize.scan(f.detach(), SIDES)).detach().requires_grad_()
    model.decoder(model.post_quant_conv(total)).square().sum().backward()
    model.decoder(model.post_quant_conv(f + (total - f).detach())).square().sum().backward()
    torch.testing.assert_close(f.grad, total.grad)


def test_commitment_moves_the_encoder_alone_and_the_codebook_term_the_codes_alone():
    model = tokenizer()
    model.terms(images()).commitment.sum().backward()
    assert model.encoder.conv_in.weight.grad.any()
    assert model.quantize.embedding.weight.grad is None
    model = tokenizer()
    model.terms(images()).codebook.sum().backward()
    assert model.encoder.conv_in.weight.grad is None
    assert model.quantize.embedding.weight.grad.any()
    assert model.quantize.phi(0).weight.grad.any()


def test_the_distances_are_means_over_the_sums_of_the_first_scales():
    model = tokenizer()
    with torch.no_grad():
        f = model.latent(images())
        sums = list(model.quantize.partial_sums(model.quantize.encode(f)))
        expected = torch.stack([(f - total).square().flatten(1).mean(1) for total in sums]).mean(0)
        terms = model.terms(images())
    torch.testing.assert_close(terms.commitment, expected)
    torch.testing.assert_close(terms.codebook, expected)


def test_terms_have_the_tokens_of_encode_and_a_latent_for_each():
    model = tokenizer()
    with torch.no_grad():
        terms, tokens = model.terms(images()), model.encode(images())
    assert torch.equal(terms.tokens, tokens)
    assert terms.latents.shape == (3, 21, 4)
    codes = model.quantize.embedding.weight.detach()
    assert torch.equal(torch.cdist(terms.latents, codes.expand(3, -1, -1)).argmin(-1), tokens)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_convolutions_around_the_quantiser_keep_the_size(kernel):
    model = tokenizer(quant_conv_ks=kernel, channels=3)
    assert model.quant_conv.weight.shape[-1] == kernel
    with torch.no_grad():
        assert model.decode(model.encode(images(channels=3))).shape == (3, 3, 8, 8)


@pytest.mark.parametrize("use", ["encode", "terms"])
def test_another_image_size_is_named_with_the_one_that_is_needed(use):
    with pytest.raises(ValueError, match="images are 7×8; 4 tokens a side of 2 pixels need 8"):
        getattr(tokenizer(), use)(torch.zeros(1, 1, 7, 8, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(1, 20), (21,), (1, 21, 1)])
def test_another_number_of_tokens_is_named_with_the_one_that_is_needed(shape):
    with pytest.raises(ValueError, match=r"scales \(1, 2, 4\) need \(B, 21\)"):
        tokenizer().decode(torch.zeros(shape, dtype=torch.int64))
