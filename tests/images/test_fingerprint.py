"""A fingerprint depends on the pixels, their shape and their order, and on nothing else."""

import hashlib

import pytest
import torch
from image_sets import image_set

from harness.errors import Interrupted
from harness.images.fingerprint import BATCH, fingerprint
from harness.images.sets import ImageSet
from harness.process import stop

PIXELS = torch.randint(0, 256, (2 * BATCH + 3, 1, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_fingerprint_is_the_sha256_of_shape_and_pixels():
    assert fingerprint(image_set(PIXELS)) == hashlib.sha256(b"(1, 5, 4)" + PIXELS.numpy().tobytes()).hexdigest()


def test_the_name_and_the_layout_in_memory_do_not_matter():
    strided = PIXELS.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    assert not strided.is_contiguous()
    assert fingerprint(image_set(strided, "another name")) == fingerprint(image_set(PIXELS))


@pytest.mark.parametrize(
    "other", [PIXELS.flip(0), PIXELS.transpose(2, 3), PIXELS[:-1], PIXELS.reshape(-1, 1, 4, 5)],
    ids=["order", "transposed", "one fewer", "another shape of the same bytes"],
)  # fmt: skip
def test_other_images_have_another_fingerprint(other):
    assert fingerprint(image_set(other)) != fingerprint(image_set(PIXELS))


@pytest.mark.parametrize("announced", [len(PIXELS) - 1, len(PIXELS) + 1])
def test_a_set_with_another_number_of_images_than_announced_is_a_bug(announced):
    images = ImageSet("the images", announced, (1, 5, 4), image_set(PIXELS).batches)
    with pytest.raises(ValueError, match=f"the images: {announced} images were announced, and {len(PIXELS)} came"):
        fingerprint(images)


def test_progress_counts_the_images_so_far():
    counts = []
    fingerprint(image_set(PIXELS), counts.append)
    assert counts == [BATCH, 2 * BATCH, 2 * BATCH + 3]


def test_a_requested_stop_ends_the_reading():
    counts = []
    stop.request()
    try:
        with pytest.raises(Interrupted):
            fingerprint(image_set(PIXELS), counts.append)
    finally:
        stop.clear()
    assert counts == [BATCH]
