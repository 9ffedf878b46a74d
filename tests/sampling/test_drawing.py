"""Drawing samples: what must not matter is the batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.errors import Diverged, Interrupted, PluginFault, UserError
from harness.interfaces import DataSpec
from harness.process import stop
from harness.sampling.drawing import batches, draw, draw_decoded, extra_networks, sample_labels
from harness.streams import SampleStreams, stream

SPEC = DataSpec((3,), classes=4)
CPU = torch.device("cpu")


def noise(model, spec, streams, labels):
    """Three numbers of each stream, and the label."""
    return streams.normal(*spec.shape) + (0 if labels is None else 100 * labels[:, None])


def through_the_network(model, spec, streams, labels):
    x = streams.normal(*spec.shape)
    for _ in range(5):
        x = model(x)
    return x


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3))


def sample(sampler, model, *, n=23, batch=23, seed=0, spec=SPEC, **options):
    return draw(sampler, model, spec, n=n, seed=seed, purpose="test", batch=batch, device=CPU, **options)


@pytest.mark.parametrize("batch", [1, 4, 22, 23, 100])
def test_noise_and_labels_do_not_depend_on_the_batch(model, batch):
    first, second = sample(noise, model).batch, sample(noise, model, batch=batch).batch
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.labels, second.labels)


@pytest.mark.parametrize("batch", [1, 4, 22])
def test_samples_do_not_depend_on_the_batch_but_for_rounding(model, batch):
    # Kernels add in another order at another batch.
    first, second = sample(through_the_network, model).batch.x, sample(through_the_network, model, batch=batch).batch.x
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_the_same_batch_gives_the_same_bits(model):
    first, second = (sample(through_the_network, model, batch=7).batch.x for _ in range(2))
    assert torch.equal(first, second)


def test_a_sample_depends_on_its_number_not_on_how_many_there_are(model):
    free = DataSpec((3,))
    many = sample(noise, model, n=10, spec=free).batch.x
    assert torch.equal(sample(noise, model, n=4, spec=free).batch.x, many[:4])
    chosen = sample(noise, model, n=10, spec=free, indices=[7, 2, 9]).batch.x
    assert torch.equal(chosen, many[[7, 2, 9]])
    assert not torch.equal(sample(noise, model, n=10, seed=1, spec=free).batch.x, many)


def test_noise_and_labels_do_not_depend_on_the_number_of_devices(tmp_path):
    script = Path(__file__).parents[1] / "fakes" / "device_share.py"
    processes = [subprocess.Popen([sys.executable, script, str(rank), "2", tmp_path]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    whole, *shares = torch.load(tmp_path / "gathered.pt", weights_only=True)
    for sampler, tolerance in (("noise", 0), ("images", 1e-6)):  # kernels add in another order at another batch
        x, labels, nfe = whole[sampler]
        for rank, found in enumerate(shares):
            torch.testing.assert_close(found[sampler][0], x[rank::2], rtol=0, atol=tolerance)
            assert torch.equal(found[sampler][1], labels[rank::2])
            assert found[sampler][2] == nfe


@pytest.mark.parametrize("n", [8, 23])
def test_labels_are_balanced_and_in_random_order(n):
    labels = sample_labels(0, "test", n, DataSpec((2,), 4))
    assert labels is not None
    counts = torch.bincount(labels, minlength=4)
    assert counts.max() - counts.min() <= 1
    assert not torch.equal(labels, labels.sort().values)
    torch.testing.assert_close(labels, sample_labels(0, "test", n, DataSpec((2,), 4)), rtol=0, atol=0)
    assert labels.tolist() != sample_labels(1, "test", n, DataSpec((2,), 4)).tolist()
    assert sample_labels(0, "test", n, DataSpec((2,), 0)) is None


@pytest.mark.parametrize("batch", [4, 23])
def test_network_evaluations_are_counted_not_declared(model, batch):
    assert sample(through_the_network, model, batch=batch).nfe == 5
    assert sample(noise, model, batch=batch).nfe == 0
    assert not model._forward_pre_hooks  # the counter is gone


@pytest.mark.parametrize("batch", [1, 4, 23, 100])
def test_samples_that_are_drawn_by_batches_are_those_of_one_call(model, batch):
    whole = sample(through_the_network, model, batch=batch)
    parts = [sample(through_the_network, model, batch=batch, indices=numbers) for numbers in batches(23, batch)]
    assert torch.equal(torch.cat([part.batch.x for part in parts]), whole.batch.x)
    assert sum(part.evaluations for part in parts) == whole.evaluations


def test_no_graph_is_kept(model):
    assert not sample(through_the_network, model).batch.x.requires_grad


def test_samples_that_are_not_finite_say_how_many(model):
    def broken(model, spec, streams, labels):
        x = streams.normal(*spec.shape)
        x[::2, 1] = float("nan")
        return x

    with pytest.raises(Diverged, match="12 of 23 samples are not finite"):
        sample(broken, model)


@pytest.mark.parametrize(("change", "gave"), [
    (lambda x: x[:, :2], r"a torch.float32 tensor of shape \(23, 2\)"),
    (lambda x: x[:-1], r"a torch.float32 tensor of shape \(22, 3\)"),
    (lambda x: x.double(), r"a torch.float64 tensor of shape \(23, 3\)"),
    (lambda x: x.half(), r"a torch.float16 tensor of shape \(23, 3\)"),
    (lambda x: x.numpy(), "a ndarray"),
    (lambda x: (x, None), "a tuple"),
    (lambda _: None, "None"),
])  # fmt: skip
def test_what_a_sampler_must_not_give_is_named_in_one_line(model, change, gave):
    must = r"it must give a torch.float32 tensor of shape \(23, 3\)$"
    with pytest.raises(PluginFault, match=rf"^sampler builtins.function: gave {gave}; {must}"):
        sample(lambda _model, spec, streams, _labels: change(streams.normal(*spec.shape)), model)


class DecodesBadly(torch.nn.Module):
    """Works in latents of two numbers, and decodes them to what `change` makes of (n, 3)."""

    latent_shape = (2,)

    def __init__(self, change):
        super().__init__()
        self.change = change

    def autoencoder_identity(self):
        return {}

    def encode_images(self, x):
        return x[:, :2]

    def draw_latents(self, kept, generator):
        return kept

    def decode_latents(self, latents):
        return self.change(torch.zeros(len(latents), 3))


def decoded(change):
    noise = lambda _model, spec, streams, _labels: streams.normal(*spec.shape)  # noqa: E731
    return draw_decoded(
        noise, DecodesBadly(change), DataSpec((3,)), n=4, seed=0, purpose="test", batch=4, device=torch.device("cpu")
    )


def test_images_that_are_decoded_to_another_shape_or_to_nan_are_named():
    assert decoded(lambda x: x).batch.x.shape == (4, 3)
    with pytest.raises(PluginFault, match=r"DecodesBadly: decode_latents gave images of shape \(1,\); .* of the data, \(3,\)"):
        decoded(lambda x: x[:, :1])
    with pytest.raises(Diverged, match="4 of 4 samples are not finite"):
        decoded(lambda x: x / 0)


def test_a_stop_request_ends_it_between_chunks(model):
    def stopping(model, spec, streams, labels):
        stop.request()
        return streams.normal(*spec.shape)

    try:
        with pytest.raises(Interrupted):
            sample(stopping, model, batch=10)
    finally:
        stop.clear()


@pytest.mark.parametrize(("n", "classes"), [(1, 4), (4, 4), (10, 3), (12, 3), (1000, 7)])
def test_every_class_comes_as_often_as_the_others_up_to_one_and_the_first_classes_get_the_rest(n, classes):
    counts = sample_labels(0, "test", n, DataSpec((2,), classes)).bincount(minlength=classes).tolist()
    assert counts == [n // classes + (label < n % classes) for label in range(classes)]


@pytest.mark.parametrize(("n", "expected"), [(10, [7, 0, 3]), (7, [5, 0, 2]), (1, [1, 0, 0])])
def test_classes_come_in_proportion_to_the_counts_of_the_spec(n, expected):
    labels = sample_labels(0, "test", n, DataSpec((2,), 3, class_counts=(20, 0, 9)))
    assert labels.bincount(minlength=3).tolist() == expected
    torch.testing.assert_close(labels, sample_labels(0, "test", n, DataSpec((2,), 3, class_counts=(20, 0, 9))), rtol=0, atol=0)


def test_labels_are_a_shuffle_by_a_stream_of_their_own():
    spec = DataSpec((2,), 3)
    order = torch.randperm(10, generator=stream(5, "evaluation/0/labels"))
    torch.testing.assert_close(sample_labels(5, "evaluation/0", 10, spec), (torch.arange(10) % 3)[order], rtol=0, atol=0)
    assert sample_labels(5, "evaluation/0", 10, spec).tolist() != sample_labels(5, "evaluation/1", 10, spec).tolist()


def test_a_sample_is_drawn_from_the_stream_of_its_number(model):
    found = sample(noise, model, n=6, batch=4, spec=DataSpec((3,)), seed=9).batch.x
    assert torch.equal(found, SampleStreams(9, "test", range(6)).normal(3))


class Guided:
    """Calls the networks that it was given beside the model, each once."""

    def __init__(self, **networks):
        self.networks = networks

    def take_networks(self, networks):
        self.networks = networks

    def __call__(self, model, spec, streams, labels):
        x = streams.normal(*spec.shape)
        return model(x) + sum(network(x) for network in self.networks.values())


def test_evaluations_of_guiding_networks_count(model):
    weaker, older = nn.Linear(3, 3), nn.Linear(3, 3)
    found = sample(Guided(weaker=weaker, older=older), model, batch=4)
    assert found.nfe == 3
    assert not weaker._forward_pre_hooks
    assert not older._forward_pre_hooks


@pytest.mark.parametrize("batch", [4, 23])
def test_a_network_that_guides_itself_or_twice_counts_once_for_each_call(model, batch):
    other = nn.Linear(3, 3)
    assert sample(Guided(itself=model), model, batch=batch).nfe == 2
    assert sample(Guided(first=other, second=other), model, batch=batch).nfe == 3


def test_the_networks_beside_the_model_are_each_named_once():
    weaker, older = nn.Linear(3, 3), nn.Linear(3, 3)
    assert extra_networks(Guided(a=weaker, b=older, c=weaker)) == [weaker, older]
    assert extra_networks(noise) == []


def test_the_counter_is_gone_after_a_failure_too(model):
    def failing(model, spec, streams, labels):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        sample(failing, model)
    assert not model._forward_pre_hooks


def test_samples_are_float32_and_labels_int64_on_the_cpu(model):
    found = sample(noise, model)
    assert found.batch.x.dtype == torch.float32
    assert found.batch.labels.dtype == torch.int64


@pytest.mark.parametrize(("precision", "far"), [("tf32", 0.0), ("bf16", 0.1), ("fp16", 0.01)])
def test_samples_in_another_precision_are_float32_and_near(model, precision, far):
    exact, other = sample(through_the_network, model).batch.x, sample(through_the_network, model, precision=precision).batch.x
    assert other.dtype == torch.float32
    # Five passes of two layers, values of about 1: half a percent a rounding for 8 bits of mantissa.
    assert (other - exact).abs().max() <= far
    assert far == 0.0 or not other.equal(exact)
    assert not torch.is_autocast_enabled("cpu")


def test_a_sampler_that_gives_half_precision_without_autocast_is_at_fault(model):
    with pytest.raises(PluginFault, match="float16"):
        sample(lambda *_: torch.zeros(23, 3, dtype=torch.float16), model)


def test_samples_that_do_not_fit_name_the_batch_of_the_evaluation(model):
    def hungry(model, spec, streams, labels):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    said = (
        r"^out of memory: 23 samples at once were tried: lower `evaluation: batch` \(now 100; 11 takes about half\), which gives"
    )
    with pytest.raises(UserError, match=said):
        sample(hungry, model, batch=100)
