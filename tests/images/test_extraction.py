"""Moments as they stream, and one pass of an extractor over a set."""

import errno
import os
import weakref
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from image_sets import image_set
from pixel_features import PixelFeatures

from harness.errors import Interrupted, PluginFault, UserError
from harness.features import FeatureSet, Moments, StreamingMoments
from harness.images.extraction import Extraction
from harness.images.extraction_settings import ExtractionSettings
from harness.images.fingerprint import fingerprint
from harness.images.sets import ImageSet
from harness.process import stop
from harness.store.files import StorageError

IMAGES = torch.randint(0, 256, (203, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
ALL = {"moments", "features", "logits", "spatial"}
FIFTY = ExtractionSettings(batch=50)


def extracted(images=IMAGES, needs=ALL, batch=50, **options):
    return Extraction(PixelFeatures(), needs, settings=ExtractionSettings(batch=batch), **options).run(image_set(images))


@pytest.mark.parametrize("batch", [1, 7, 250])
def test_the_batch_does_not_matter_and_neither_does_the_order(batch):
    expected, order = extracted(), torch.randperm(len(IMAGES), generator=torch.Generator().manual_seed(1))
    for found in (extracted(batch=batch), extracted(IMAGES[order], batch=batch)):
        for need in ("moments", "spatial"):
            # Kernels of float32 features round by batch; sums of float64 hardly at all.
            np.testing.assert_allclose(found.moments(need).mean, expected.moments(need).mean, atol=1e-5)
            np.testing.assert_allclose(found.moments(need).covariance, expected.moments(need).covariance, atol=1e-5)


def test_an_extractor_for_few_images_on_a_cpu_gets_no_more_at_once():
    seen = []

    class Few(PixelFeatures):
        images_on_cpu = 16

        def forward(self, images):
            seen.append(len(images))
            return super().forward(images)

    found = Extraction(Few(), ALL, settings=FIFTY).run(image_set(IMAGES))
    assert seen == 4 * [16, 16, 16, 2] + [3]
    np.testing.assert_allclose(found.rows("features"), extracted().rows("features"), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.moments("spatial").mean, extracted().moments("spatial").mean, atol=1e-5)


def test_moments_lose_nothing_to_a_large_mean():
    rows = np.random.default_rng(0).standard_normal((1000, 4))
    near, far = Moments.of(rows), Moments.of(rows + 1e6)
    np.testing.assert_allclose(far.covariance, near.covariance, rtol=1e-7, atol=1e-9)
    assert far.mean == pytest.approx(near.mean + 1e6, rel=1e-15)


def test_rows_are_written_where_they_are_asked_for_and_only_those(tmp_path):
    found = extracted(needs={"features"}, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.npy"]
    np.testing.assert_array_equal(found.rows(), extracted().rows())
    with pytest.raises(UserError, match=r"gives no logits; it has features"):
        found.rows("logits")
    assert extracted(needs={"moments"}).rows_by_need == {}


def test_features_that_are_not_finite_name_the_images():
    class Broken(PixelFeatures):
        def forward(self, images):
            return {name: rows / 0 for name, rows in super().forward(images).items()}

    with pytest.raises(UserError, match=r"the images: features of images 0 to 49 are not all finite"):
        Extraction(Broken(), {"moments"}, settings=FIFTY).run(image_set(IMAGES))


def test_an_output_that_the_extractor_lacks_is_the_users_to_mend_and_costs_no_image():
    extractor = PixelFeatures()
    extractor.outputs = {"features": 6, "logits": 4}
    with pytest.raises(UserError, match="the images: the extractor gives features, logits, and no spatial"):
        Extraction(extractor, {"moments", "spatial"}).run(image_set(IMAGES))
    assert extractor.images_seen == 0


def test_an_output_of_another_size_than_declared_is_the_extractors_bug():
    extractor = PixelFeatures()
    extractor.outputs = {**extractor.outputs, "logits": 7}
    must = r"it must give a torch.float32 tensor of shape \(203, 7\)"
    with pytest.raises(PluginFault, match=rf"PixelFeatures: gave logits as a torch.float32 tensor of shape \(203, 4\); {must}"):
        Extraction(extractor, {"logits"}).run(image_set(IMAGES))


def untyped(value):
    """The value, of which nothing is known."""
    return value


@pytest.mark.parametrize(("outputs", "gave"), [
    (None, "None; it must give its outputs by name: features"),
    (torch.zeros(5, 2), "a Tensor; it must give its outputs by name: features"),
    ({}, r"no features; it must give a torch.float32 tensor of shape \(5, 2\)"),
    ({"features": np.zeros((5, 2), np.float32)}, "a ndarray as features; it must give a torch.float32 tensor"),
    ({"features": torch.zeros(5, 2).double()}, r"features as a torch.float64 tensor of shape \(5, 2\); it must give"),
    ({"features": torch.zeros(2)}, r"features as a torch.float32 tensor of shape \(2,\); it must give"),
])  # fmt: skip
def test_what_an_extractor_must_not_give_is_named_in_one_line(outputs, gave):
    class Gives:
        preprocessing, weights_sha256, outputs, images_on_cpu = "none", "0" * 64, {"features": 2}, None

        def __call__(self, images):
            return outputs

    with pytest.raises(PluginFault, match=rf"^extractor .*Gives: gave {gave}"):
        Extraction(untyped(Gives()), {"features"}).run(image_set(IMAGES[:5]))


def test_another_number_of_images_than_announced_is_a_bug():
    images = ImageSet("the images", 204, (3, 8, 8), image_set(IMAGES).batches)
    with pytest.raises(ValueError, match="the images: 204 images were announced, and 203 came"):
        Extraction(PixelFeatures(), {"moments"}).run(images)


def test_progress_counts_the_images_and_a_requested_stop_ends_the_pass():
    counts = []
    extracted(on_progress=counts.append)
    assert counts == [50, 100, 150, 200, 203]
    stop.request()
    try:
        with pytest.raises(Interrupted):
            extracted(on_progress=counts.append)
    finally:
        stop.clear()
    assert counts[5:] == [50]


def test_a_disk_too_full_for_the_rows_is_one_message_before_any_image(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    counts = []
    with pytest.raises(StorageError, match=r"features\.npy: no room left; free some space"):
        extracted(needs={"features"}, folder=tmp_path, on_progress=counts.append)
    assert counts == []


def test_one_image_has_no_covariance():
    with pytest.raises(UserError, match="at least 2 images, got 1"):
        extracted(IMAGES[:1])
    with pytest.raises(UserError, match="got 0"):
        StreamingMoments().result()


def test_what_is_remembered_is_made_once():
    calls = []
    rows = FeatureSet.of_rows("rows", features=np.eye(3))
    assert [rows.remembered("x", lambda: calls.append(1) or 5) for _ in range(3)] == [5, 5, 5]
    assert calls == [1]


class Made:
    """50,000 images that are made when they are asked for, and how many of them were alive at once."""

    n = 50_000

    def __init__(self):
        self.alive = self.most = self.made = 0
        self.set = ImageSet("made", self.n, (1, 4, 4), self.batches)

    def batches(self, size):
        for start in range(0, self.n, size):
            numbers = torch.arange(start, min(start + size, self.n))
            images = (numbers[:, None] * torch.arange(1, 17) % 256).to(torch.uint8).reshape(-1, 1, 4, 4)
            self.alive += len(images)
            self.made += len(images)
            self.most = max(self.most, self.alive)
            weakref.finalize(images.untyped_storage(), self.gone, len(images))
            yield images
            del images

    def gone(self, count):
        self.alive -= count


def test_fifty_thousand_images_are_never_in_memory_together(tmp_path):
    hoard = Made()
    kept = [images[1:] for images in hoard.set.batches(250)]
    assert hoard.most == hoard.alive == len(kept) * 250 == hoard.n  # somebody who holds all of them would be noticed
    made = Made()
    fingerprint(made.set)
    found = Extraction(PixelFeatures(), {"moments", "spatial"}).run(made.set)
    assert made.made == 2 * made.n
    assert made.most <= 2 * 250  # the batch at work, and the next one
    assert found.rows_by_need == {}
    rows = Extraction(PixelFeatures(), {"features"}, folder=tmp_path).run(made.set).rows()
    assert isinstance(rows, np.memmap)
    assert (tmp_path / "features.npy").stat().st_size < made.n * 6 * 4 + 1000  # float32


class Linear(torch.nn.Module):
    """An extractor whose precision shows in its values."""

    outputs: Mapping[str, int] = {"features": 4}
    weights_sha256 = preprocessing = ""
    images_on_cpu: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3 * 8 * 8, 4)
        torch.nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return {"features": self.layer(images.flatten(1).float() / 255)}


@pytest.mark.parametrize(("precision", "far"), [("tf32", 0.0), ("bf16", 0.2), ("fp16", 0.02)])
def test_features_in_another_precision_are_rounded_float32(precision, far):
    linear = Linear()
    exact = Extraction(linear, {"features"}).run(image_set(IMAGES)).rows()
    rounded = Extraction(linear, {"features"}, settings=ExtractionSettings(precision)).run(image_set(IMAGES)).rows()
    assert rounded.dtype == np.float32
    # Sums of 192 products of about 0.5: 8 bits of mantissa are wrong in the first digit after the point, 11 in the second.
    assert np.abs(rounded - exact).max() <= far
    assert far == 0.0 or not np.array_equal(rounded, exact)


def test_images_that_do_not_fit_name_the_batch_of_extraction():
    class Hungry(Linear):
        def __call__(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    said = r"203 images at once were tried: lower `evaluation: extraction_batch` \(now 250; 101 takes about half\), .* 9.00 GiB"
    with pytest.raises(UserError, match=said):
        Extraction(Hungry(), {"features"}).run(image_set(IMAGES))
    with pytest.raises(UserError, match=r"lower `--batch` \(now 50; 25 takes"):
        Extraction(Hungry(), {"features"}, settings=ExtractionSettings(batch=50, batch_setting="--batch")).run(image_set(IMAGES))
