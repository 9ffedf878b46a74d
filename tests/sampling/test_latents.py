"""Models that work in latents, and what the harness does between them and images."""

import pytest
import torch

from harness.capabilities import WorksInLatents
from harness.errors import Interrupted
from harness.indexed_sets import InMemory
from harness.interfaces import Batch, DataSpec
from harness.sampling import drawing, latents
from harness.streams import stream

SPEC = DataSpec((1, 4, 4), 3, "images")
CPU = torch.device("cpu")


class Halved(torch.nn.Module):
    """Latents are means over 2×2 pixels, with a little noise; sampled latents are noise."""

    latent_shape = (1, 2, 2)

    def __init__(self):
        super().__init__()
        self.rows = []

    def autoencoder_identity(self):
        return {}

    def encode_images(self, x):
        self.rows.append(len(x))
        return torch.nn.functional.avg_pool2d(x, 2)

    def draw_latents(self, kept, generator):
        return kept + 0.1 * torch.randn(kept.shape, generator=generator)

    def decode_latents(self, latents):
        return torch.nn.functional.interpolate(latents, scale_factor=2).clamp(-1, 1)

    def forward(self, x):
        return x


def sampler(model, spec, streams, labels):
    return model(streams.normal(*spec.shape))


def test_methods_and_samplers_see_the_shape_of_latents_and_the_classes_of_the_data():
    assert latents.network_spec(Halved(), SPEC) == DataSpec((1, 2, 2), 3, "latents")
    assert latents.network_spec(torch.nn.Identity(), SPEC) == SPEC


def test_images_are_encoded_a_few_at_a_time():
    model, x = Halved(), torch.rand(2 * latents.ROWS + 1, 1, 4, 4)
    chunks = list(latents.encoded(model, InMemory.of(Batch(x, torch.arange(len(x)))), CPU))
    kept = torch.cat([chunk.x for chunk in chunks])
    assert model.rows == [latents.ROWS, latents.ROWS, 1]
    torch.testing.assert_close(kept, torch.nn.functional.avg_pool2d(x, 2))
    assert chunks[-1].labels is not None
    assert chunks[-1].labels.tolist() == [2 * latents.ROWS]
    rest = list(latents.encoded(model, InMemory.of(Batch(x)), CPU, first=latents.ROWS))
    assert torch.equal(torch.cat([chunk.x for chunk in rest]), kept[latents.ROWS :])


def test_each_step_draws_latents_anew_and_the_labels_stay():
    model, labels = Halved(), torch.arange(3)
    batch = Batch(torch.zeros(3, 1, 2, 2), labels, torch.arange(3))
    first, again, other = (latents.network_batch(model, batch, stream(0, "latents", step)) for step in (0, 0, 1))
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)
    torch.testing.assert_close(first.labels, labels, rtol=0, atol=0)
    assert first.rows is None  # what was computed of a row once is not true of another draw
    assert latents.network_batch(torch.nn.Identity(), batch, stream(0, "latents")) is batch


@pytest.mark.parametrize("batch", [3, 10])
def test_generated_latents_become_images_and_evaluations_are_the_networks(batch):
    cpu = torch.device("cpu")
    drawn = drawing.draw_decoded(sampler, Halved(), SPEC, n=10, seed=0, purpose="test", batch=batch, device=cpu)
    assert drawn.batch.x.shape == (10, 1, 4, 4)
    assert drawn.nfe == 1
    spec = latents.network_spec(Halved(), SPEC)
    own = drawing.draw(sampler, Halved(), spec, n=10, seed=0, purpose="test", batch=10, device=cpu)
    assert torch.equal(drawn.batch.x, Halved().decode_latents(own.batch.x))
    torch.testing.assert_close(drawn.batch.labels, own.batch.labels, rtol=0, atol=0)


def test_other_models_are_sampled_as_ever():
    plain = torch.nn.Identity()
    assert not isinstance(plain, WorksInLatents)
    first, second = (
        draw(sampler, plain, SPEC, n=4, seed=0, purpose="test", batch=4, device=torch.device("cpu"))
        for draw in (drawing.draw_decoded, drawing.draw)
    )
    assert torch.equal(first.batch.x, second.batch.x)


def test_encoding_stops_when_asked(monkeypatch):
    def stopped():
        raise Interrupted

    monkeypatch.setattr("harness.process.stop.check", stopped)
    with pytest.raises(Interrupted):
        list(latents.encoded(Halved(), InMemory.of(Batch(torch.zeros(1, 1, 4, 4))), CPU))


@pytest.mark.parametrize("size", [1, 4, 10])
def test_samples_are_decoded_a_few_at_a_time_into_float32(size):
    class Counted(Halved):
        def decode_latents(self, latents):
            self.rows.append(len(latents))
            return super().decode_latents(latents).double()

    model, labels = Counted(), torch.arange(10)
    x = torch.randn(10, 1, 2, 2, generator=stream(0, "x"))
    found = latents.decode_samples(model, Batch(x, labels), size=size, device=torch.device("cpu"))
    assert model.rows == [min(size, 10 - start) for start in range(0, 10, size)]
    assert found.x.dtype == torch.float32
    torch.testing.assert_close(found.x, Halved().decode_latents(x))
    torch.testing.assert_close(found.labels, labels, rtol=0, atol=0)


def test_decoding_leaves_samples_of_other_models_as_they_are():
    batch = Batch(torch.zeros(2, 3))
    assert latents.decode_samples(torch.nn.Identity(), batch, size=1, device=torch.device("cpu")) is batch
