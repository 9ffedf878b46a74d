"""The frame of EDM's denoisers: preconditioning around a raw network, and labels as rows."""

import pytest
import torch
from torch import nn

from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import capabilities
from harness.toolkit.denoising import ChainLevels, column, scalings
from harness.toolkit.image_denoiser import ImageDenoiser

SPEC = DataSpec((1, 4, 4), classes=3, preview="images")


class Denoiser(ImageDenoiser):
    """A convolution, shifted by the label's number and the noise; remembers what it is given."""

    def __init__(self, spec=SPEC, **settings):
        super().__init__(ChainLevels(**settings), spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.convolution = nn.Conv2d(1, 1, 3, padding=1)
        self.given = []

    def raw(self, x, c_noise, rows):
        self.given.append((x, c_noise, rows))
        shift = 0 if rows is None else (rows @ torch.arange(1.0, 4.0))[:, None, None, None]
        return self.convolution(x) + 0.1 * c_noise[:, None, None, None] + 0.1 * shift

    def forward(self, x, sigma, class_labels=None):
        return self.preconditioned(self.raw, x, sigma, class_labels)


def images(n=4):
    return torch.randn(n, 1, 4, 4, generator=stream(0, "images"))


def test_the_network_sees_scaled_images_and_its_answer_is_scaled_back():
    model, x, sigma = Denoiser(), images(), torch.tensor([0.1, 0.5, 2.0, 20.0])
    found = model(x, sigma)
    c_skip, c_out, c_in, c_noise = scalings(sigma, 0.5)
    [(seen, noise, _)] = model.given
    torch.testing.assert_close(seen, column(c_in, x) * x)
    torch.testing.assert_close(noise, c_noise)
    raw = model.raw(seen, noise, torch.zeros(1, 3))
    torch.testing.assert_close(found, column(c_skip, x) * x + column(c_out, x) * raw)


def test_one_level_for_all_is_embedded_once():
    model = Denoiser()
    together = model(images(), torch.tensor(0.7))
    assert model.given[0][1].shape == (1,)
    torch.testing.assert_close(together, model(images(), torch.full((4,), 0.7)))


def test_labels_become_rows_and_no_labels_a_row_of_zeros():
    model, x, sigma = Denoiser(), images(), torch.tensor(0.7)
    labels = torch.tensor([0, 2, 1, 0])
    with_labels, without = model.denoise(x, sigma, labels), model.denoise(x, sigma, None)
    assert model.given[0][2].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert model.given[1][2].tolist() == [[0, 0, 0]]
    assert not torch.equal(with_labels, without)
    mixture = model(x, sigma, torch.full((4, 3), 1 / 3))
    torch.testing.assert_close(mixture - without, scalings(sigma, 0.5).c_out * torch.full_like(x, 0.2))  # the mean shift of 2


@pytest.mark.parametrize("model", [Denoiser(is_conditional=False), Denoiser(DataSpec((1, 4, 4), preview="images"))])
def test_a_network_without_classes_is_given_no_rows(model):
    assert not model.takes_labels
    model.denoise(images(), torch.tensor(0.7), torch.zeros(4, dtype=torch.int64))
    assert model.given[0][2] is None


def test_it_computes_in_float32():
    assert Denoiser()(images().double(), torch.tensor(0.7, dtype=torch.float64)).dtype == torch.float32


@pytest.mark.parametrize("check", [
    capabilities.check_trains, capabilities.check_trains_in_parts, capabilities.check_likelihood, capabilities.check_denoises,
])  # fmt: skip
def test_a_denoiser_delivers_what_it_declares(check):
    check(Denoiser(), SPEC)


def test_without_labels_it_has_a_gaussian_chain_too():
    unlabelled = DataSpec((1, 4, 4), preview="images")
    capabilities.check_transitions(Denoiser(unlabelled, chain_steps=4), unlabelled)
