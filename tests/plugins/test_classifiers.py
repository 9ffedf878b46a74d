"""The frozen classifiers: the committed weights are the pinned ones, they classify, and their training repeats."""

import dataclasses
import hashlib

import pytest
import torch
from safetensors.torch import save

from harness import NoConfig, UserError
from harness.components import Dataset
from harness.plugins import registry
from harness.streams import stream
from harness_classifiers import extractor, network, train
from harness_classifiers.network import FROZEN, as_bytes, prepared


def held_out(name):
    component = registry().get(Dataset, name, where="test")
    component.check_readiness(component.config())
    return component.create(component.config()).evaluation(0, 400)


@pytest.mark.parametrize(("name", "least"), [("digits-cnn", 0.96), ("mnist-cnn", 0.95), ("fashion-cnn", 0.85)])
def test_images_that_it_never_saw_are_classified(name, least):
    try:
        batch = held_out(FROZEN[name].dataset)
    except UserError as error:
        pytest.skip(str(error))
    logits = extractor.Classifier(FROZEN[name])(as_bytes(batch.x))["logits"]
    assert (logits.argmax(1) == batch.labels).float().mean() > least


@pytest.mark.parametrize("name", FROZEN)
def test_no_feature_is_dead_so_a_covariance_of_some_hundred_images_has_full_rank(name):
    images = torch.randint(0, 256, (300, 1, 8, 8), dtype=torch.uint8, generator=stream(0, "images"))
    features = extractor.Classifier(FROZEN[name])(images)["features"].double()
    assert torch.linalg.matrix_rank(features.T.cov()) == 64


def test_other_weights_than_the_pinned_ones_are_refused():
    with pytest.raises(UserError, match=r"extractor digits-cnn: .*digits-cnn\.safetensors has sha256 .* not 000"):
        extractor.Classifier(dataclasses.replace(FROZEN["digits-cnn"], sha256="0" * 64))


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "WEIGHTS", tmp_path)
    with pytest.raises(
        UserError, match=r"extractor mnist-cnn: .*mnist-cnn\.safetensors is not there; install finetune-harness again"
    ):
        extractor.mnist_cnn(NoConfig())


def test_the_weights_are_small():
    assert all(one.path.stat().st_size < 500_000 for one in FROZEN.values())


def test_training_repeats_bit_for_bit_whatever_the_global_randomness():
    batch = held_out("digits")
    frozen = FROZEN["digits-cnn"]

    def digest(seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return hashlib.sha256(save(train.trained(frozen, batch, epochs=2).state_dict())).hexdigest()

    assert digest(1) == digest(2)


def test_training_learns():
    batch = held_out("digits")
    made = train.trained(FROZEN["digits-cnn"], batch, epochs=40)
    assert train.accuracy(made, batch, 8) > 0.8


def test_grey_and_the_same_grey_as_colour_are_one_image():
    grey = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8, generator=stream(1, "images"))
    # 0.299 + 0.587 + 0.114 is 1 up to rounding.
    torch.testing.assert_close(prepared(grey.expand(-1, 3, -1, -1), 28), prepared(grey, 28), rtol=0, atol=1e-5)


def test_colour_becomes_luma():
    colour = torch.tensor([200, 100, 50], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(1, 3, 8, 8)
    expected = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 127.5 - 1
    torch.testing.assert_close(prepared(colour, 8), torch.full((1, 1, 8, 8), expected))


def test_images_of_the_right_size_are_not_resized_and_others_are():
    images = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8, generator=stream(2, "images"))
    torch.testing.assert_close(prepared(images, 8), images / 127.5 - 1)
    assert prepared(images, 28).shape == (2, 1, 28, 28)
    assert prepared(torch.full((1, 1, 5, 9), 51, dtype=torch.uint8), 28).unique().tolist() == pytest.approx([51 / 127.5 - 1])


def test_bytes_of_a_dataset_are_its_pixels():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(as_bytes(levels.float() / 127.5 - 1), levels)


def test_a_shift_moves_images_whole_and_black_comes_in():
    x = torch.full((50, 1, 8, 8), -1.0)
    x[:, 0, 4, 4] = 1.0
    moved = train.shifted(x, 2, stream(3, "shift"))
    assert moved.shape == x.shape
    assert moved.sum((1, 2, 3)).tolist() == x.sum((1, 2, 3)).tolist()
    places = (moved == 1).nonzero()[:, 2:]
    assert (places.amin(0).tolist(), places.amax(0).tolist()) == ([2, 2], [6, 6])
    assert len({tuple(place) for place in places.tolist()}) > 10
