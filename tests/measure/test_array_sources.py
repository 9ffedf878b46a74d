"""Files of arrays as sources: images, statistics, and ADM's reference batches that hold both."""

import numpy as np
import pytest

from harness import UserError
from harness.measure.array_sources import array_source
from harness.measure.reading_options import AS_IMAGES, RANGE, ReadingOptions

MEAN, COVARIANCE = np.arange(6.0), np.eye(6)


@pytest.fixture
def pixels_last(random_images):
    """(20, 8, 8, 3) uint8."""
    return random_images(0, channels=3).permute(0, 2, 3, 1).numpy()


@pytest.fixture
def adm(tmp_path, pixels_last):
    np.savez(tmp_path / "adm.npz", pixels_last, mu=MEAN, sigma=COVARIANCE)
    return tmp_path / "adm.npz"


def test_an_array_of_bytes_is_a_set_of_images(tmp_path, pixels_last, random_images):
    np.savez(tmp_path / "x.npz", pixels_last)
    source = array_source(tmp_path / "x.npz", ReadingOptions())
    assert (source.kind, source.n, source.statistics) == (".npz array", 20, None)
    (batch,) = source.images.batches(100)
    assert batch.equal(random_images(0, channels=3))
    assert source.options_used == {AS_IMAGES}  # which has a say in every .npz


def test_the_same_pixels_as_floats_have_the_same_identity(tmp_path, pixels_last):
    np.save(tmp_path / "bytes.npy", pixels_last)
    np.save(tmp_path / "floats.npy", pixels_last.astype(np.float32) / 127.5 - 1)
    as_bytes = array_source(tmp_path / "bytes.npy", ReadingOptions())
    as_floats = array_source(tmp_path / "floats.npy", ReadingOptions(value_range="-1,1"))
    assert as_bytes.identify(lambda _: None) == as_floats.identify(lambda _: None)
    assert as_bytes.options_used == frozenset()
    assert as_floats.options_used == {RANGE}


def test_floats_without_a_range_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8), np.float32))
    with pytest.raises(UserError, match="float32 values; say what they mean: --range=0,255 or --range=0,1 or --range=-1,1"):
        array_source(tmp_path / "x.npy", ReadingOptions())


def test_statistics_alone_have_no_images_and_say_what_is_not_known_of_them(tmp_path):
    path = tmp_path / "edm.npz"
    np.savez(path, mu=MEAN, sigma=COVARIANCE)
    source = array_source(path, ReadingOptions())
    assert (source.kind, source.images, source.n) == ("statistics (an .npz of mu and sigma)", None, None)
    assert source.identify(lambda _: None) == {}
    assert source.notes == (
        f"{path}: statistics, an .npz of mu and sigma",
        f"{path}: does not say which extractor made its statistics, nor of how many images; only their size fits",
    )
    np.testing.assert_array_equal(source.statistics.moments_for({"features": 6})["moments"].mean, MEAN)


def test_a_reference_batch_of_adm_has_statistics_and_images(adm):
    source = array_source(adm, ReadingOptions())
    assert source.statistics is not None
    assert source.images.n == 20
    assert set(source.identify(lambda _: None)) == {"pixels"}
    assert f"{adm}: moments are the file's own, and rows of features are of its 20 images" in source.notes


def test_as_images_leaves_the_statistics_out(adm):
    source = array_source(adm, ReadingOptions(as_images=True))
    assert (source.kind, source.statistics, source.images.n) == (".npz array", None, 20)


def test_a_file_with_neither_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", labels=np.zeros(5))
    with pytest.raises(UserError, match=r"no arr_0 with images.*it has labels \(5,\)"):
        array_source(tmp_path / "x.npz", ReadingOptions())
