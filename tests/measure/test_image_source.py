"""A source knows how many images stand behind a number, and what tells its images from all others."""

import numpy as np
import torch
from image_sets import image_set

from harness.features import Moments
from harness.images.statistics_files import Metadata, StatisticsFile, StoredMoments
from harness.measure.image_source import ImageSource, identified_as, identified_by_pixels
from harness.store.records import ExtractorFacts

EXTRACTOR = ExtractorFacts(name="pixels", version="1/1", settings={}, weights_sha256="a" * 64, preprocessing="grey")


def images(fill=0, n=7):
    return image_set(torch.full((n, 1, 4, 4), fill, dtype=torch.uint8))


def statistics(tmp_path, n):
    """Statistics of n images; None stands for a file that does not say the number."""
    metadata = None if n is None else Metadata(n=n, source="x", pixels="p", shape=(1, 4, 4), extractor=EXTRACTOR)
    table = {"moments": StoredMoments.of(Moments(n, np.zeros(6), np.eye(6)))}
    return StatisticsFile(tmp_path / "x.npz", "an .npz of mu and sigma", {"": table}, metadata)


def test_the_number_of_images_is_that_of_the_set():
    assert ImageSource("x", "folder", images(n=7), identified_as({})).n == 7


def test_statistics_stand_for_the_set_even_where_there_are_images(tmp_path):
    # The moments of ADM's reference batches are of 50,000 images, and 10,000 of these are in the file.
    both = ImageSource("x", "statistics", images(n=7), identified_as({}), statistics(tmp_path, 50_000))
    assert both.n == 50_000


def test_the_number_is_unknown_where_the_statistics_do_not_say_it(tmp_path):
    assert ImageSource("x", "statistics", None, identified_as({}), statistics(tmp_path, None)).n is None


def test_the_pixels_identify_images_in_files_whatever_the_files_are_called():
    identify = identified_by_pixels(images(3))
    counts = []
    assert identify(counts.append) == identified_by_pixels(images(3))(counts.append)
    assert identify(counts.append) != identified_by_pixels(images(4))(counts.append)
    assert counts[0] == 7  # progress: all images of the first look


def test_a_known_identity_costs_no_look_at_the_images():
    counts = []
    assert identified_as({"generated": "abc"})(counts.append) == {"generated": "abc"}
    assert counts == []
