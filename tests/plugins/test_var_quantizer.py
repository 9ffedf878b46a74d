"""Multi-scale residual quantisation: identities that hold for any weights, and cases by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from harness.streams import stream
from harness_var import SCALES_256, VQVAEConfig
from harness_var.quantizer import MultiScaleQuantizer, Phi, nearest_tick, ticks

SIDES = (1, 2, 3, 5)


def quantizer(sides=SIDES, seed=0, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = VQVAEConfig(**{"vocab_size": 16, "z_channels": 3, **settings})
        return MultiScaleQuantizer(config, sides).double().requires_grad_(False)


def latents(side=5, n=2, seed=0):
    return torch.randn(n, 3, side, side, generator=stream(seed, "latents"), dtype=torch.float64)


def test_phi_mixes_its_input_with_a_convolution_of_it():
    phi = Phi(3, 0.25).double().requires_grad_(False)
    u = latents()
    expected = 0.75 * u + 0.25 * functional.conv2d(u, phi.weight, phi.bias, padding=1)
    torch.testing.assert_close(phi(u), expected)


@pytest.mark.parametrize(
    ("n", "places"),
    [(1, [0.5]), (2, [0.25, 0.75]), (4, [1 / 12, 13 / 36, 23 / 36, 11 / 12]), (5, [0.1, 0.3, 0.5, 0.7, 0.9])],
)
def test_convolutions_stand_in_the_middles_of_equal_parts_but_for_four(n, places):
    np.testing.assert_allclose(ticks(n), places)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("scales", [2, 5, 10])
def test_each_scale_takes_the_nearest_convolution_in_order(n, scales):
    chosen = [nearest_tick(scale, scales, n) for scale in range(scales)]
    assert chosen == sorted(chosen)
    for scale, index in enumerate(chosen):
        distances = [abs(place - scale / (scales - 1)) for place in ticks(n)]
        assert distances[index] == min(distances)


def test_what_a_scale_leaves_is_coded_by_the_next_so_that_details_and_rest_are_the_latent():
    model, f = quantizer(), latents()
    scales = list(model.scan(f, SIDES))
    rest = f - sum(scale.detail for scale in scales)
    # The last scale codes what the others left, at its own size, so that the rest is the error of its codes after phi.
    before_last = f - sum(scale.detail for scale in scales[:-1])
    torch.testing.assert_close(scales[-1].latents, before_last.flatten(2).transpose(1, 2))
    torch.testing.assert_close(rest, before_last - scales[-1].detail)


def test_every_scale_is_the_code_nearest_to_the_average_of_what_is_left():
    model, f = quantizer(), latents()
    residual = f
    for side, scale in zip(SIDES, model.scan(f, SIDES), strict=True):
        average = functional.adaptive_avg_pool2d(residual, side).flatten(2).transpose(1, 2)
        torch.testing.assert_close(scale.latents, average)
        assert torch.equal(scale.tokens, torch.cdist(average, model.embedding.weight).argmin(-1))
        residual = residual - scale.detail


def test_without_convolution_codes_that_hold_the_averages_lose_nothing():
    """A latent that is constant: its average is one code, and the other scales have nothing left to code."""
    model = quantizer(quant_resi=0.0)
    model.embedding.weight[0] = 0
    model.embedding.weight[5] = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    f = model.embedding.weight[5].view(1, 3, 1, 1).expand(1, 3, 5, 5)
    first, *others = model.encode(f)
    assert first.tolist() == [[5]]
    assert all((tokens == 0).all() for tokens in others)
    *_, total = model.partial_sums([first, *others])
    torch.testing.assert_close(total, f)


def test_partial_sums_are_running_sums_of_the_details():
    model, f = quantizer(), latents()
    tokens = model.encode(f)
    details = torch.stack([model.detail(scale_tokens, scale) for scale, scale_tokens in enumerate(tokens)])
    torch.testing.assert_close(torch.stack(list(model.partial_sums(tokens))), details.cumsum(0))


def test_the_detail_of_a_scale_is_phi_of_its_resized_codes():
    model = quantizer()
    tokens = torch.randint(16, (2, 4), generator=stream(0, "tokens"))
    u = model.embedding(tokens).transpose(1, 2).reshape(2, 3, 2, 2)
    expected = model.phi(1)(functional.interpolate(u, size=(5, 5), mode="bicubic"))
    torch.testing.assert_close(model.detail(tokens, 1), expected)


def test_the_last_scale_is_not_resized():
    model = quantizer(quant_resi=0.0)
    tokens = torch.randint(16, (2, 25), generator=stream(0, "tokens"))
    expected = model.embedding(tokens).transpose(1, 2).reshape(2, 3, 5, 5)
    assert torch.equal(model.detail(tokens, 3), expected)


def test_cosine_similarity_finds_the_code_of_the_same_direction_at_any_length():
    model = quantizer(using_znorm=True)
    codes = model.embedding.weight
    assert torch.equal(model.nearest(codes * 37), torch.arange(16))
    assert torch.equal(model.nearest(codes * 0.01), torch.arange(16))
    by_distance = quantizer()
    assert not torch.equal(by_distance.nearest(by_distance.embedding.weight * 37), torch.arange(16))


def test_other_scales_than_its_own_are_coded_with_the_convolutions_of_their_places():
    model, f, other = quantizer(), latents(side=4), (1, 2, 4)
    tokens = model.encode(f, other)
    assert [scale_tokens.shape[1] for scale_tokens in tokens] == [1, 4, 16]
    residual = f
    for scale, scale_tokens in enumerate(tokens):
        assert model.phi(scale, 3) is model._phis[nearest_tick(scale, 3, 4)]
        residual = residual - model.detail(scale_tokens, scale, other)
    assert residual.square().mean() < f.square().mean()


@pytest.mark.parametrize(
    ("share", "names"),
    [
        (1, {"quant_resi.qresi.weight"}),
        (4, {f"quant_resi.qresi_ls.{index}.weight" for index in range(4)}),
        (0, {f"quant_resi.{index}.weight" for index in range(4)}),  # one for each scale
    ],
)
def test_convolutions_have_their_published_names(share, names):
    state = quantizer(share_quant_resi=share).state_dict()
    assert {name for name in state if name.startswith("quant_resi") and name.endswith("weight")} == names


def test_no_share_of_the_convolution_means_no_convolution():
    assert not any(name.startswith("quant_resi") for name in quantizer(quant_resi=0.0).state_dict())
    u = latents()
    assert torch.equal(quantizer(quant_resi=0.0).phi(2)(u), u)


def test_the_share_is_the_absolute_value_of_the_setting():
    u = latents()
    torch.testing.assert_close(quantizer(quant_resi=-0.5).phi(1)(u), quantizer(quant_resi=0.5).phi(1)(u))


def test_the_transformers_input_of_a_scale_is_the_average_of_all_smaller_ones():
    model, f = quantizer(), latents()
    tokens = model.encode(f)
    sums = list(model.partial_sums(tokens))
    x = model.teacher_input(tokens)
    assert x.shape == (2, 4 + 9 + 25, 3)
    for scale, part in zip(range(1, 4), x.split([4, 9, 25], dim=1), strict=True):
        expected = functional.adaptive_avg_pool2d(sums[scale - 1], SIDES[scale]).flatten(2).transpose(1, 2)
        torch.testing.assert_close(part, expected)


def test_the_input_needs_neither_the_last_scale_nor_later_ones():
    model = quantizer()
    tokens = model.encode(latents())
    whole = model.teacher_input(tokens)
    assert torch.equal(model.teacher_input(tokens[:-1]), whole)
    assert torch.equal(model.teacher_input(tokens[:2]), whole[:, : 4 + 9])


def test_latents_of_another_size_are_refused():
    with pytest.raises(ValueError, match="latents are 4×4, but the last scale has side 5"):
        quantizer().encode(latents(side=4))


def test_the_published_scales_take_the_published_convolutions():
    assert [nearest_tick(scale, len(SCALES_256), 4) for scale in range(10)] == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
