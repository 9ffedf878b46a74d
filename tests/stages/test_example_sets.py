"""Sets of examples: read when they are needed, batch by batch, and told apart by what they are."""

import pytest
import torch
from safetensors.torch import save_file
from stage_parts import NOISE, Noise

from harness.images.quantise import to_uint8
from harness.stages.example_sets import SAMPLES, RealExamples, StoredSamples, spread_rows, stored_images


@pytest.fixture
def noise(context):
    """The dataset of random images."""
    return context.dataset(NOISE)


@pytest.fixture
def stored(tmp_path):
    """A file of two sample sets, and its tensors."""
    tensors = {f"x.{draw}": torch.linspace(-1, 1, 320).view(5, 1, 8, 8) * (draw + 1) / 2 for draw in range(2)}
    tensors["labels.1"] = torch.arange(5)
    save_file(tensors, tmp_path / SAMPLES)
    return tmp_path / SAMPLES, tensors


def pixels(images, size=3):
    return torch.cat(list(images.batches(size)))


def test_real_points_are_a_draw_or_the_first_of_the_training_data(noise):
    assert torch.equal(RealExamples(noise, 4, 7).points().x, noise.evaluation(4, 7).x)
    assert torch.equal(RealExamples(noise, None, 7).points().x, noise.train().x[:7])


@pytest.mark.parametrize("n", [10, 100])
def test_training_images_are_spread_over_a_set_that_is_sorted_by_class(n):
    classes = torch.arange(1000) // 100
    counts = classes[spread_rows(n * 2, 1000)].bincount(minlength=10)
    assert counts.sum() == n * 2
    assert (counts > 0).sum() >= 8
    assert counts.max() <= 0.35 * n * 2


def test_training_images_are_the_first_of_one_permutation_in_the_order_of_the_set(noise):
    few, more = spread_rows(7, 100).tolist(), spread_rows(40, 100).tolist()
    assert few == sorted(few)
    assert set(few) < set(more)
    assert spread_rows(100, 100).tolist() == spread_rows(1000, 100).tolist() == list(range(100))
    training = to_uint8(noise.train().x)
    assert torch.equal(pixels(RealExamples(noise, None, 7).images().images), training[few])
    assert torch.equal(pixels(RealExamples(noise, None, 100).images().images), training)


def test_images_are_drawn_when_the_first_batch_is_read_and_once(noise):
    images, *_ = RealExamples(noise, 4, 7).images()
    assert (images.n, images.shape, Noise.drawn) == (7, (1, 8, 8), 0)
    assert torch.equal(pixels(images), to_uint8(noise.evaluation(4, 7).x))
    pixels(images)
    assert Noise.drawn == 2  # once by the set, once by this test


def test_real_images_are_told_apart_by_dataset_and_draw(noise):
    _, identity, made_by = RealExamples(noise, 4, 7).images()
    assert "dataset noise" in {facts.component for facts in made_by}
    assert identity == {"dataset": NOISE.identity, "fingerprint": "noise-1", "draw": 4}
    images, identity, _ = RealExamples(noise, None, 7).images()
    assert (identity["draw"], identity["rows"]) == ("train", "spread")  # versions that took the first ones said no rows
    assert "rows" not in RealExamples(noise, None, 100).images().identity
    assert images.name == "noise, training images"
    assert RealExamples(noise, 4, 7).images().images.name == "noise, evaluation draw 4"


def test_there_are_no_more_training_images_than_the_dataset_has(noise):
    assert RealExamples(noise, None, 1000).images().images.n == 100


def test_stored_samples_are_one_draw_of_the_file(stored):
    file, tensors = stored
    first, second = (StoredSamples(file, draw, f"hash {draw}", 5) for draw in range(2))
    assert torch.equal(second.points().x, tensors["x.1"])
    torch.testing.assert_close(second.points().labels, torch.arange(5), rtol=0, atol=0)
    assert first.points().labels is None
    images, identity, made_by = first.images()
    assert (identity, list(made_by)) == ({"generated": "hash 0"}, [])
    assert torch.equal(pixels(images), to_uint8(tensors["x.0"]))


@pytest.mark.parametrize("batch", [1, 3, 5, 100])
def test_any_number_of_images_at_once_gives_the_same_images(stored, batch):
    file, tensors = stored
    images = stored_images(file, 1, "my samples")
    assert (images.n, images.shape, images.name) == (5, (1, 8, 8), "my samples")
    assert torch.equal(pixels(images, batch), to_uint8(tensors["x.1"]))
