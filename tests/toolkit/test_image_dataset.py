"""Fixed sets of images: nobody sees an image twice where it matters, and the split hangs on the images alone."""

import pytest
import torch

from harness.toolkit.image_dataset import ImageDataset, Images, split


def images(n=100, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 1, 3, 3), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(n) % classes)


@pytest.fixture
def small():
    return ImageDataset("small", *split(images(), share=0.6, salt="x"), classes=4)


def rows(x):
    return {row.numpy().tobytes() for row in x}


def test_a_split_keeps_every_image_once_and_the_share_of_each_class():
    train, held_out = split(images(), share=0.6, salt="x")
    assert rows(train.pixels) | rows(held_out.pixels) == rows(images().pixels)
    assert not rows(train.pixels) & rows(held_out.pixels)
    assert train.labels.bincount().tolist() == [15] * 4
    assert held_out.labels.bincount().tolist() == [10] * 4


def test_a_split_does_not_hang_on_the_order_of_the_file_but_on_its_salt():
    plain = split(images(), share=0.5, salt="x")
    shuffled = split(images()[torch.randperm(100, generator=torch.Generator().manual_seed(1))], share=0.5, salt="x")
    assert [part.sha256 for part in plain] == [part.sha256 for part in shuffled]
    assert plain[0].sha256 != split(images(), share=0.5, salt="y")[0].sha256


def test_the_hash_sees_pixels_and_labels():
    labelled = images()
    assert labelled.sha256 != Images(labelled.pixels, labelled.labels.flip(0)).sha256
    assert labelled.sha256 != Images(255 - labelled.pixels, labelled.labels).sha256


def test_labels_stay_with_their_images(small):
    known = dict(zip([row.numpy().tobytes() for row in images().pixels], images().labels.tolist(), strict=True))
    drawn = small.evaluation(3, 20)
    bytes_ = ((drawn.x + 1) * 127.5).round().to(torch.uint8)
    assert [known[row.numpy().tobytes()] for row in bytes_] == drawn.labels.tolist()


@pytest.mark.parametrize("k", [0, 1, 7, 500_000_000])
def test_the_draws_of_a_pair_share_no_image(small, k):
    first, second = small.evaluation(2 * k, 20), small.evaluation(2 * k + 1, 20)
    assert len(rows(first.x) | rows(second.x)) == 40
    assert not (rows(first.x) | rows(second.x)) & rows(small.train().x)


def test_other_pairs_are_other_choices(small):
    assert rows(small.evaluation(0, 10).x) != rows(small.evaluation(2, 10).x)


def test_a_smaller_draw_begins_a_larger_one(small):
    assert torch.equal(small.evaluation(5, 20).x[:7], small.evaluation(5, 7).x)


def test_more_than_a_half_is_an_error_that_says_how_many_there_are(small):
    with pytest.raises(ValueError, match=r"small: 21 evaluation images asked for.*at most 20 each"):
        small.evaluation(0, 21)
    with pytest.raises(ValueError, match="draw >= 0"):
        small.evaluation(-1, 5)


def test_black_and_white_become_the_ends_of_the_range():
    pixels = torch.tensor([0, 16, 8], dtype=torch.uint8).reshape(3, 1, 1, 1)
    greys = Images(pixels, torch.zeros(3, dtype=torch.int64))
    assert ImageDataset("scaled", greys, greys, classes=1, white=16).train().x.flatten().tolist() == [-1, 1, 0]


def test_the_fingerprint_sees_both_parts_and_the_scale(small):
    train, held_out = split(images(), share=0.6, salt="x")
    assert small.fingerprint == ImageDataset("other name", train, held_out, classes=4).fingerprint
    assert small.fingerprint != ImageDataset("small", train, held_out[:30], classes=4).fingerprint
    assert small.fingerprint != ImageDataset("small", train, held_out, classes=4, white=16).fingerprint
