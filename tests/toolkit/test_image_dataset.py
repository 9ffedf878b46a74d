"""Fixed sets of images: nobody sees an image twice where it matters, and the split hangs on the images alone."""

import pytest
import torch

from harness.toolkit.image_dataset import ImageDataset, Images, set_apart, split


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


@pytest.fixture
def kept():
    """40 held-out images, of which 20 are kept for the curve."""
    train, held_out = split(images(), share=0.6, salt="x")
    held_out, selection = set_apart(held_out, 20, salt="y")
    return ImageDataset("kept", train, held_out, classes=4, selection=selection)


@pytest.mark.parametrize("n", [0, 1, 3, 20, 57, 99])
def test_images_set_apart_are_of_each_class_in_proportion(n):
    given = Images(images().pixels, torch.tensor([0] * 60 + [1] * 30 + [3] * 10))
    others, apart = set_apart(given, n, salt="x")
    assert (len(others), len(apart)) == (100 - n, n)
    assert rows(others.pixels) | rows(apart.pixels) == rows(given.pixels)
    expected = torch.tensor([0.6, 0.3, 0.0, 0.1]) * n
    assert (apart.labels.bincount(minlength=4) - expected).abs().max() <= 1
    places = [row.numpy().tobytes() for row in given.pixels]
    order = [places.index(row.numpy().tobytes()) for row in others.pixels]
    assert order == sorted(order)


def test_images_set_apart_do_not_hang_on_the_order_of_the_file():
    shuffled = images()[torch.randperm(100, generator=torch.Generator().manual_seed(1))]
    assert set_apart(images(), 30, salt="x")[1].sha256 == set_apart(shuffled, 30, salt="x")[1].sha256
    assert rows(set_apart(images(), 30, salt="x")[1].pixels) != rows(set_apart(images(), 30, salt="y")[1].pixels)
    with pytest.raises(ValueError, match="need 0 <= n < 100"):
        set_apart(images(), 100, salt="x")


@pytest.mark.parametrize("draw", [0, 1, 2_000_000_000])
def test_images_kept_for_the_curve_are_in_no_other_part(kept, draw):
    selection = rows(kept.selection(draw, 20).x)
    assert len(selection) == 20
    evaluated = rows(kept.evaluation(0, 10).x) | rows(kept.evaluation(1, 10).x)
    assert len(evaluated) == 20
    assert not selection & (evaluated | rows(kept.train().x))
    assert (kept.largest_evaluation, kept.largest_selection) == (10, 20)


def test_selection_draws_are_choices_of_the_kept_images(kept):
    assert not torch.equal(kept.selection(0, 8).x, kept.selection(1, 8).x)
    assert torch.equal(kept.selection(3, 20).x[:7], kept.selection(3, 7).x)
    with pytest.raises(ValueError, match="kept: 21 selection images asked for; it keeps 20"):
        kept.selection(0, 21)


def test_a_dataset_that_keeps_no_images_for_the_curve_says_so(small):
    assert small.largest_selection is None
    with pytest.raises(ValueError, match="it keeps 0"):
        small.selection(0, 1)


def test_the_fingerprint_sees_the_kept_images(kept, small):
    train, held_out = split(images(), share=0.6, salt="x")
    others, selection = set_apart(held_out, 20, salt="y")
    assert kept.fingerprint == ImageDataset("kept", train, others, classes=4, selection=selection).fingerprint
    assert len({kept.fingerprint, small.fingerprint, ImageDataset("", train, others, classes=4).fingerprint}) == 3
