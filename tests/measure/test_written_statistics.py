"""Statistics are written once, to a path where nothing is, and say which images they describe."""

import os
from pathlib import Path

import numpy as np
import pytest
from image_sets import image_set

from harness.features import FeatureSet
from harness.images.statistics_files import recognise
from harness.measure.image_source import ImageSource, identified_as
from harness.measure.written_statistics import target_faults, write_statistics
from harness.store.records import ExtractorFacts

ROWS = np.random.default_rng(0).standard_normal((30, 6))
EXTRACTOR = ExtractorFacts(name="pixels", version="1/1", settings={}, weights_sha256="a" * 64, preprocessing="grey")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("new.npz", None),
        ("folder/new.npz", None),
        ("x.pkl", "--write-statistics x.pkl: the file to write ends in .npz"),
        ("old.npz", "--write-statistics old.npz: is there already, and is not overwritten; remove it or name another file"),
        ("dangling.npz", "--write-statistics dangling.npz: is there already, and is not overwritten"),
        ("a/b/x.npz", "--write-statistics a/b/x.npz: the folder a is absent; make it (mkdir -p a/b) or name another folder"),
        ("folder/b/x.npz", "the folder folder/b is absent; make it (mkdir -p folder/b) or name another folder"),
        ("old.npz/x.npz", "--write-statistics old.npz/x.npz: old.npz is a file and no folder; name another folder"),
    ],
)
def test_a_path_that_cannot_take_a_file_says_why(tmp_path, monkeypatch, path, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "old.npz").write_text("")
    (tmp_path / "dangling.npz").symlink_to("nowhere")  # writing would put a file somewhere else
    faults = list(target_faults(Path(path)))
    assert len(faults) == (fault is not None)
    assert fault is None or fault in faults[0]


def test_a_folder_without_permission_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    (fault,) = target_faults(tmp_path / "x.npz")
    assert fault == (
        f"--write-statistics {tmp_path / 'x.npz'}: the folder {tmp_path} is not writable; change its permissions or name "
        "another folder"
    )


@pytest.mark.parametrize(
    ("identity", "pixels"),
    [
        ({"pixels": "hash of the pixels"}, "hash of the pixels"),
        ({"fingerprint": "of the dataset", "draw": 0}, "of the dataset"),
        ({"generated": "of the samples"}, "of the samples"),
    ],
)
def test_a_file_says_which_images_its_statistics_describe(tmp_path, random_images, identity, pixels):
    images = image_set(random_images(0, n=30), "samples")
    source = ImageSource("samples", "test", images, identified_as(identity), split="training images")
    features = FeatureSet.of_rows("samples", features=ROWS, spatial=ROWS[:, :5])
    write_statistics(tmp_path / "x.npz", features, source, identity, EXTRACTOR)
    read = recognise(tmp_path / "x.npz")
    assert (read.metadata.n, read.metadata.source, read.metadata.split) == (30, "samples", "training images")
    assert (read.metadata.pixels, read.metadata.shape, read.metadata.extractor) == (pixels, (1, 8, 8), EXTRACTOR)
    moments = read.moments_for({"features": 6, "spatial": 5})
    np.testing.assert_allclose(moments["moments"].mean, ROWS.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments["spatial"].covariance, np.cov(ROWS[:, :5], rowvar=False), rtol=1e-10)
