"""The preconditioning that EDM's and EDM2's denoisers of images share, and how labels reach the network."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import capabilities
from harness.toolkit.denoising import ChainLevels
from harness.toolkit.image_denoiser import ImageDenoiser

IMAGES = DataSpec((2, 4, 4), classes=3, preview="images")


class Scaled(ImageDenoiser):
    """A denoiser whose network multiplies by a number, and which keeps what the network was called with."""

    def __init__(self, config=None, spec=IMAGES):
        super().__init__(config or ChainLevels(), spec)
        self.factor = torch.nn.Parameter(torch.tensor(0.3))
        self.calls = []

    def forward(self, x, sigma, class_labels=None):
        return self.preconditioned(self.network, x, sigma, class_labels)

    def network(self, x, c_noise, rows):
        self.calls.append((x.detach(), c_noise, rows))
        return self.factor * x


def test_the_denoiser_is_the_weighted_sum_of_input_and_network():
    model, x, sigma, data = Scaled(), torch.randn(4, 2, 4, 4), torch.tensor([0.1, 0.5, 1.0, 5.0]), 0.5
    level = sigma.view(-1, 1, 1, 1)
    total = level**2 + data**2
    raw = 0.3 * x / total.sqrt()
    expected = data**2 / total * x + level * data / total.sqrt() * raw
    torch.testing.assert_close(model.denoise(x, sigma, None), expected)
    torch.testing.assert_close(model.calls[0][1], sigma.log() / 4)


def test_network_inputs_have_unit_variance_at_every_level():
    model = Scaled()
    for sigma in (0.01, 0.5, 50.0):
        x = 0.5 * torch.randn(64, 2, 4, 4, generator=stream(0, "x")) + sigma * torch.randn(64, 2, 4, 4, generator=stream(1, "x"))
        model.denoise(x, torch.tensor(sigma), None)
        assert model.calls[-1][0].std().item() == pytest.approx(1, abs=0.05)


def test_one_level_for_all_is_embedded_once():
    model = Scaled()
    model.denoise(torch.randn(5, 2, 4, 4), torch.tensor(0.7), None)
    assert model.calls[0][1].shape == (1,)


def test_labels_are_one_hot_rows_and_their_absence_is_a_row_of_zeros():
    model, x = Scaled(), torch.randn(2, 2, 4, 4)
    model.denoise(x, torch.tensor(1.0), torch.tensor([2, 0]))
    model.denoise(x, torch.tensor(1.0), None)
    assert torch.equal(model.calls[0][2], torch.tensor([[0.0, 0, 1], [1, 0, 0]]))
    assert torch.equal(model.calls[1][2], torch.zeros(1, 3))


def test_rows_may_be_mixtures_of_classes():
    model, rows = Scaled(), torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8]])
    model(torch.randn(2, 2, 4, 4), torch.tensor(1.0), rows)
    assert torch.equal(model.calls[0][2], rows)


@pytest.mark.parametrize(
    ("config", "spec"),
    [(ChainLevels(), DataSpec((2, 4, 4))), (ChainLevels(is_conditional=False), IMAGES)],
    ids=["data without classes", "settings that forbid them"],
)
def test_an_unconditional_network_is_given_no_labels(config, spec):
    model = Scaled(config, spec)
    model.denoise(torch.randn(2, 2, 4, 4), torch.tensor(1.0), torch.tensor([0, 1]))
    assert model.calls[0][2] is None
    assert not model.takes_labels


def test_only_an_unconditional_network_has_a_gaussian_chain():
    x = torch.randn(2, 2, 4, 4)
    assert Scaled(ChainLevels(is_conditional=False)).transition(x, 0).mean.shape == x.shape
    with pytest.raises(UserError, match="is_conditional: false"):
        Scaled().transition(x, 0)


def test_half_precision_images_are_denoised_in_float32():
    assert Scaled().denoise(torch.randn(2, 2, 4, 4).half(), torch.tensor(1.0).double(), None).dtype == torch.float32


def test_it_keeps_the_contract_of_a_denoiser():
    model = Scaled()
    capabilities.check_denoises(model, IMAGES)
    capabilities.check_trains(model, IMAGES)
    capabilities.check_likelihood(model, IMAGES)
