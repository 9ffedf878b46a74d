"""Training data of networks that work in latents: encoded once for each autoencoder, kept, and labelled like the images."""

import pytest
import torch

from harness.stages import encoding


class InLatents(torch.nn.Module):
    """A network whose autoencoder keeps the mean of each row of an image."""

    latent_shape = (8,)
    encoded = 0

    def __init__(self, autoencoder="means of rows"):
        super().__init__()
        self.autoencoder = autoencoder

    def autoencoder_identity(self):
        return {"autoencoder": self.autoencoder}

    def encode_images(self, x):
        type(self).encoded += len(x)
        return x.mean(dim=(1, 3))

    def draw_latents(self, kept, generator):
        return kept

    def decode_latents(self, latents):
        return latents[:, None, :, None].expand(-1, 1, 8, 8)


@pytest.fixture
def digits():
    """The dataset as a board names it."""
    from harness.board.components import Resolved
    from harness.components import Dataset
    from harness.plugins import registry

    component = registry().get(Dataset, "digits", where="this test")
    return Resolved(component, component.config(), "digits", "1/1")


@pytest.fixture(autouse=True)
def _count_anew():
    InLatents.encoded = 0


def test_a_network_of_images_gets_the_images(digits, context):
    source = context.dataset(digits)
    assert encoding.training_data(torch.nn.Linear(1, 1), source, context, []) is source.training_data(context.device)
    assert not list(context.runs.root.glob("stages/*"))


def test_a_network_in_latents_gets_what_its_autoencoder_keeps_with_the_labels(digits, context):
    source = context.dataset(digits)
    images = source.training_data(context.device)
    data = encoding.training_data(InLatents(), source, context, [])
    torch.testing.assert_close(data.x, images.x.mean(dim=(1, 3)), rtol=0, atol=0)
    assert data.labels is images.labels


def test_images_are_encoded_once_for_all_networks_of_an_autoencoder(digits, context, new_context):
    source = context.dataset(digits)
    first = encoding.training_data(InLatents(), source, context, [])
    n = len(first)
    assert encoding.training_data(InLatents(), source, context, []) is first
    elsewhere = new_context()  # another process reads what this one has written
    again = encoding.training_data(InLatents(), elsewhere.dataset(digits), elsewhere, [])
    assert torch.equal(again.x, first.x)
    assert InLatents.encoded == n
    assert len(list(context.runs.root.glob("stages/latents/*"))) == 1


def test_another_autoencoder_encodes_anew(digits, context):
    source = context.dataset(digits)
    n = len(encoding.training_data(InLatents(), source, context, []))
    encoding.training_data(InLatents("of other weights"), source, context, [])
    assert InLatents.encoded == 2 * n
    assert len(list(context.runs.root.glob("stages/latents/*"))) == 2
