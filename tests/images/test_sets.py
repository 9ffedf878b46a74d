"""Sets of floats become bytes batch by batch, as often as they are read."""

import pytest
import torch

from harness import Diverged
from harness.images.sets import ImageSet

FLOATS = torch.linspace(-1, 1, 7 * 3 * 2 * 2).reshape(7, 3, 2, 2)
BYTES = ((FLOATS.double() + 1) * 127.5 + 0.5).floor().to(torch.uint8)


class Parts:
    """Gives parts of FLOATS and remembers which were asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, start, stop):
        self.asked.append((start, stop))
        return FLOATS[start:stop]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_all_images_come_in_order_at_every_batch_size(size):
    images = ImageSet.of_parts("floats", 7, (3, 2, 2), Parts())
    batches = list(images.batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert torch.equal(torch.cat(batches), BYTES)


def test_a_set_reads_no_part_before_it_is_needed_and_reads_all_of_them_again():
    parts = Parts()
    images = ImageSet.of_parts("floats", 7, (3, 2, 2), parts)
    assert parts.asked == []
    first = iter(images.batches(3))
    next(first)
    assert parts.asked == [(0, 3)]
    assert torch.equal(torch.cat(list(images.batches(4))), BYTES)
    assert parts.asked[1:] == [(0, 4), (4, 7)]


def test_images_that_are_not_finite_stop_the_reading():
    images = ImageSet.of_parts("floats", 7, (3, 2, 2), lambda start, stop: FLOATS[start:stop] / 0)
    with pytest.raises(Diverged, match="2 of 2 images have values that are not finite"):
        next(images.batches(2))
