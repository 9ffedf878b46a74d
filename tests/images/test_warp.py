"""Affine maps of images: what they leave alone, and where they agree with whole-pixel moves and turns by torch."""

import math

import pytest
import torch

from harness.images.warp import CENTRE, LOW_PASS, MARGIN, _reflected, warped

SIZE = 24
NOISE = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def smooth(height=SIZE, width=SIZE):
    """An image of a few slow waves, which no good resampling blurs."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 4, width), indexing="ij")
    return torch.stack([(x + 0.3 * y * y).sin(), (1.5 * y - x).cos(), (x * y / 2).sin()])[None]


def turn(angle):
    """The source of a counterclockwise turn as seen: turned back, with y down."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]], dtype=torch.float64)


def move(x, y):
    return torch.tensor([[[1.0, 0.0, -x], [0.0, 1.0, -y]]], dtype=torch.float64)


def test_the_filter_is_orthogonal_keeps_constants_and_has_six_vanishing_moments():
    taps = torch.tensor(LOW_PASS, dtype=torch.float64)
    for shift in range(6):
        product = float((taps[2 * shift :] * taps[: 12 - 2 * shift]).sum())
        assert product == pytest.approx(float(shift == 0), abs=1e-9)
    assert float(taps.sum()) == pytest.approx(math.sqrt(2), abs=1e-9)
    for power in range(6):
        signs = torch.tensor([(-1.0) ** place * (place - CENTRE) ** power for place in range(12)], dtype=torch.float64)
        assert float((signs * taps).sum()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "image", [NOISE, smooth(), NOISE[..., :5, :], NOISE[..., :1, :2]], ids=["noise", "smooth", "flat", "tiny"]
)
def test_an_image_that_is_mapped_onto_itself_is_itself(image):
    torch.testing.assert_close(warped(image, move(0, 0).expand(len(image), -1, -1)), image, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, -2), (-5, 4)])
def test_a_move_by_whole_pixels_is_that_of_torch_inside_of_the_border(x, y):
    moved = warped(NOISE, move(x, y).expand(2, -1, -1))
    inside = (..., slice(max(y, 0) + 4, SIZE + min(y, 0) - 4), slice(max(x, 0) + 4, SIZE + min(x, 0) - 4))
    torch.testing.assert_close(moved[inside], NOISE.roll((y, x), (2, 3))[inside], rtol=0, atol=2e-5)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_those_of_torch_inside_of_the_border(quarters):
    turned, expected = warped(smooth(), turn(quarters * math.pi / 2)), smooth().rot90(quarters, (2, 3))
    inside = (..., slice(4, -4), slice(4, -4))
    # The filter is not quite symmetric: 0.2 places of the fine grid lie between a place and its mirror image.
    torch.testing.assert_close(turned[inside], expected[inside], rtol=0, atol=5e-3)
    assert (turned - smooth())[inside].abs().max() > 0.5


def test_height_and_width_need_not_agree():
    image = smooth(16, 28)
    torch.testing.assert_close(
        warped(image, turn(math.pi))[..., 4:-4, 4:-4], image.flip(2, 3)[..., 4:-4, 4:-4], rtol=0, atol=5e-3
    )


def test_beyond_the_border_an_image_is_its_reflection():
    image = smooth()
    # Pixel k of the result shows pixel k - 12 of the image, and left of it its mirror image in the centre of pixel 0.
    expected = torch.cat([image[..., 1:13].flip(3), image[..., :12]], dim=3)
    # The mirror image has a bend at the border, which the filter, being not quite symmetric, takes a little otherwise there.
    torch.testing.assert_close(warped(image, move(12, 0)), expected, rtol=0, atol=0.02)


def test_places_far_away_are_reflected_again_and_again():
    places = torch.tensor([-1.0, -4.0, -5.0, 4.0, 5.0, 8.0, 9.0, 0.5], dtype=torch.float64)
    assert _reflected(places, 5).tolist() == [1, 4, 3, 4, 3, 0, 1, 0.5]
    assert _reflected(places, 1).tolist() == [0] * 8
    assert MARGIN > 6


def test_shrinking_averages_and_shows_no_false_patterns():
    stripes = torch.ones(1, 1, 32, 32)
    stripes[..., ::2] = -1
    smaller = warped(stripes, torch.tensor([[[2.0, 0, 0], [0, 2.0, 0]]], dtype=torch.float64))
    assert smaller[..., 10:22, 10:22].abs().max() < 0.5  # one pixel in two would be all 1 or all -1


def test_each_image_has_its_own_map():
    both = warped(NOISE, torch.cat([move(0, 0), move(2, 0)]))
    torch.testing.assert_close(both[:1], warped(NOISE[:1], move(0, 0)))
    torch.testing.assert_close(both[1:], warped(NOISE[1:], move(2, 0)))
