"""Training data of networks that work in latents: encoded once for each autoencoder, kept, and labelled like the images."""

import dataclasses
import shutil

import pytest
import torch
from edited_code import edit
from safetensors.torch import load_file, save_file

from harness.board.components import Resolved
from harness.components import Dataset, Model
from harness.errors import Interrupted, UserError
from harness.indexed import whole
from harness.indexed_sets import InFile
from harness.plugins import registry
from harness.process import stop
from harness.process.sources import CORE
from harness.sampling import latents
from harness.stages import encoded_file, encoding
from harness.store.manifests import MANIFEST, write_manifest
from harness.training.config import TrainingConfig


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
    component = registry().get(Dataset, "digits", where="this test")
    return Resolved(component, component.config(), "digits", "1/1")


@pytest.fixture(autouse=True)
def _count_anew():
    InLatents.encoded = 0


@pytest.fixture
def model():
    """The model as a board names it, whose networks are `InLatents` here."""
    component = registry().get(Model, "edm2-unet", where="this test")
    return Resolved(component, component.config(), "edm2", "1/1")


@pytest.fixture
def encode_by_code(digits, model, context):
    """What `encode` gives, with the code that encoded it; by default of the model as it is."""

    def encode(network=None, context=context, model=model, **settings):
        training = TrainingConfig(images=8, batch=8, **settings)
        return encoding.training_data(network or InLatents(), model, context.dataset(digits), context, training)

    return encode


@pytest.fixture
def encode(encode_by_code, context):
    """The training data of a network in latents, in this context or another, with a budget's settings."""

    def encode(network=None, context=context, **settings):
        return encode_by_code(network, context, **settings).examples

    return encode


def kept_files(context):
    return sorted(context.runs.root.glob("stages/latents/*/kept.safetensors"))


def test_a_network_of_images_gets_the_images(encode, digits, context):
    source = context.dataset(digits)
    assert encode(torch.nn.Linear(1, 1)) is source.placed_training_set("auto", context.device)
    assert not list(context.runs.root.glob("stages/*"))


def test_a_network_in_latents_gets_what_its_autoencoder_keeps_with_the_labels(encode, digits, context):
    images = context.dataset(digits).train()
    data = whole(encode())
    torch.testing.assert_close(data.x, images.x.mean(dim=(1, 3)), rtol=0, atol=0)
    torch.testing.assert_close(data.labels, images.labels)


def test_encoded_data_stay_in_their_file_where_the_budget_says_so(encode, digits, context):
    data = encode(data="disk")
    assert isinstance(data, InFile)
    assert data.values.path in kept_files(context)
    rows = torch.tensor([7, 0])
    assert torch.equal(data.read(rows).values, whole(encode(data="host")).x[rows])


def test_images_are_encoded_once_for_all_networks_of_an_autoencoder(encode, context, new_context):
    first = encode()
    n = len(first)
    assert encode() is first
    again = encode(context=new_context())  # another process reads what this one has written
    assert torch.equal(whole(again).x, whole(first).x)
    assert InLatents.encoded == n
    assert len(kept_files(context)) == 1


def test_another_version_of_the_model_encodes_anew(encode_by_code, model, context):
    n = len(encode_by_code().examples)
    encode_by_code(model=dataclasses.replace(model, version="1/2"))  # its `encode_images` was corrected
    assert InLatents.encoded == 2 * n
    assert len(kept_files(context)) == 2


def test_the_code_that_encoded_is_told_by_every_process_that_reads_what_it_made(encode_by_code, monkeypatch, new_context):
    first = encode_by_code()
    assert [facts.component for facts in first.sources] == ["dataset digits", CORE, "model edm2-unet"]
    edit(monkeypatch, "model edm2-unet")
    assert encode_by_code(context=new_context()).sources == first.sources
    anew = encode_by_code(context=dataclasses.replace(new_context(), makes_anew=True))
    assert InLatents.encoded == 2 * len(first.examples)
    assert anew.sources != first.sources


def test_data_that_are_not_encoded_have_no_such_code(encode_by_code):
    assert encode_by_code(torch.nn.Linear(1, 1)).sources == ()


def test_another_autoencoder_encodes_anew(encode, context):
    n = len(encode())
    encode(InLatents("of other weights"))
    assert InLatents.encoded == 2 * n
    assert len(kept_files(context)) == 2


def test_what_an_older_version_kept_without_labels_gets_those_of_the_images(encode, digits, context, new_context):
    expected = whole(encode())
    (path,) = kept_files(context)
    kept = load_file(path)["kept"]
    save_file({"kept": kept}, path)
    names = {"stage": "latents", "key": path.parent.name, "facts": {"seconds": 1.0, "images": len(kept), "sources": []}}
    (path.parent / MANIFEST).unlink()
    write_manifest(path.parent, names)
    again = whole(encode(context=new_context()))
    assert torch.equal(again.x, expected.x)
    torch.testing.assert_close(again.labels, expected.labels)
    assert InLatents.encoded == len(kept)


def test_latents_are_not_flipped(encode):
    with pytest.raises(
        UserError, match=r"training.flip mirrors images, and the network trains on latents, which are encoded once"
    ):
        encode(flip=True)
    assert InLatents.encoded == 0


def test_networks_that_are_not_told_do_not_train_on_augmented_images(encode):
    with pytest.raises(
        UserError, match=r"augment gives 9 labels for each image, and the network takes 0: it would draw augmented"
    ):
        encode(augment={"name": "edm"})
    assert InLatents.encoded == 0


class Killed(BaseException):
    """Stands for the end of a process at any moment."""


def test_after_a_kill_encoding_goes_on_at_the_next_chunk(encode, context, new_context, monkeypatch):
    expected = whole(encode())
    n, InLatents.encoded = len(expected), 0
    (path,) = kept_files(context)
    shutil.rmtree(path.parent)
    monkeypatch.setattr(encoded_file, "NOTE_SECONDS", 0.0)

    def dying(self, x):
        if InLatents.encoded >= 5 * latents.ROWS:
            raise Killed
        return encode_images(self, x)

    encode_images = InLatents.encode_images
    monkeypatch.setattr(InLatents, "encode_images", dying)
    with pytest.raises(Killed):
        encode(context=new_context())
    monkeypatch.setattr(InLatents, "encode_images", encode_images)
    again = whole(encode(context=new_context()))
    assert torch.equal(again.x, expected.x)
    torch.testing.assert_close(again.labels, expected.labels)
    assert InLatents.encoded == n
    assert not list(context.runs.root.glob("work/latents*"))


def test_a_stop_keeps_what_was_encoded(encode, context, new_context, monkeypatch):
    ended = iter([False] * 3 + [True])
    monkeypatch.setattr(stop, "is_requested", lambda: False)
    check = stop.check

    def stopping():
        if next(ended, False):
            raise Interrupted

    monkeypatch.setattr(stop, "check", stopping)
    with pytest.raises(Interrupted):
        encode()
    monkeypatch.setattr(stop, "check", check)
    assert InLatents.encoded == 3 * latents.ROWS
    data = encode(context=new_context())
    assert InLatents.encoded == len(data)
