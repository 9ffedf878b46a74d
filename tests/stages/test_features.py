"""Stage 4: features of a set are extracted once for all metrics, kept, and told apart by what made them."""

import dataclasses

import pytest
import torch
from image_sets import image_set
from pixel_features import COMPONENT, OUTPUTS, PixelFeatures
from stage_parts import GAP, NOISE, resolved

from harness.board.columns import Column
from harness.board.schema import MetricConfig
from harness.errors import UserError
from harness.images.extraction_settings import ExtractionSettings
from harness.images.sets import ImageSet
from harness.interfaces import Batch
from harness.stages import features, sources
from harness.stages.example_sets import IdentifiedImages, RealExamples

IMAGES = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PIXELS = resolved(COMPONENT)


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """Numbers of images that went through the extractor, one a batch."""
    counts, forward = [], PixelFeatures.forward

    def counting(self, images):
        counts.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(PixelFeatures, "forward", counting)
    return counts


@pytest.fixture
def extract(new_context):
    """Features of the sixty images, in a process of its own unless a context is given."""

    def run(needs, context=None, *, generated="abc", extractor=PIXELS, **options):
        images = IdentifiedImages(image_set(IMAGES, "the set"), {"generated": generated})
        return features.extracted(images, needs, extractor, context or new_context(), **options)

    return run


def rows_of(images):
    """Every output of the extractor for some images, (n, D)."""
    return PixelFeatures()(images)


def test_features_are_those_of_the_extractor(extract):
    found = extract({"moments", "features", "logits", "spatial"})
    expected = rows_of(IMAGES)
    torch.testing.assert_close(torch.from_numpy(found.rows("features").copy()), expected["features"])
    torch.testing.assert_close(torch.from_numpy(found.rows("logits").copy()), expected["logits"])
    torch.testing.assert_close(torch.from_numpy(found.moments().mean), expected["features"].double().mean(0))
    torch.testing.assert_close(torch.from_numpy(found.moments("spatial").covariance), expected["spatial"].double().T.cov())
    assert (len(found), found.name) == (60, "the set")


def test_a_set_is_extracted_once_whoever_asks(extract, seen):
    first = extract({"moments", "features"})
    again = extract({"moments"})
    assert sum(seen) == 60
    assert (again.moments().mean == first.moments().mean).all()
    more = extract({"moments", "logits"})
    assert sum(seen) == 120  # logits were not kept, and the one pass for them gives nothing else anew
    assert more.rows("logits").shape == (60, OUTPUTS["logits"])


def test_sets_in_memory_are_the_same_object_for_all_metrics(extract, context):
    both = extract({"moments", "features"}, context)
    assert extract({"moments"}, context) is both
    assert extract({"logits"}, context) is not both


@pytest.mark.parametrize("attribute", ["weights_sha256", "preprocessing"])
def test_other_weights_or_preprocessing_are_other_features(extract, seen, monkeypatch, attribute):
    extract({"moments"})
    monkeypatch.setattr(PixelFeatures, attribute, "0" * 64)
    extract({"moments"})
    assert sum(seen) == 120


def test_other_images_or_another_version_of_the_extractor_are_other_features(extract, seen):
    extract({"moments"})
    extract({"moments"}, generated="another")
    extract({"moments"}, extractor=dataclasses.replace(PIXELS, version="2/1"))
    assert sum(seen) == 180


def test_features_of_real_images_are_made_anew_where_the_code_of_the_dataset_was_edited(new_context, seen, monkeypatch):
    def hashes_of_code():
        context = dataclasses.replace(new_context(), makes_anew=True)
        images = RealExamples(context.dataset(NOISE), 0, 20, context.device).images()
        return {facts.sha256 for facts in features.extracted_by_code(images, {"moments"}, PIXELS, context).sources}

    first = hashes_of_code()
    assert hashes_of_code() == first
    assert sum(seen) == 20
    component = NOISE.component
    edited = dataclasses.replace(sources._source(component), sha256="e" * 64)
    monkeypatch.setitem(sources._read, (component.title, component.build), edited)
    assert "e" * 64 in hashes_of_code() - first
    assert sum(seen) == 40


def test_the_number_of_images_at_once_is_no_part_of_the_key(extract, seen):
    extract({"moments"}, settings=ExtractionSettings(batch=7))
    extract({"moments"}, settings=ExtractionSettings(batch=60))
    assert seen == [7] * 8 + [4]


def test_features_in_another_precision_are_other_features(extract, seen):
    for precision in ("fp32", "bf16", "fp32", "bf16"):
        extract({"moments"}, settings=ExtractionSettings(precision))
    assert sum(seen) == 120


def test_a_failed_pass_leaves_nothing_behind(context):
    broken = IdentifiedImages(ImageSet("broken", 60, (1, 8, 8), lambda _: iter([IMAGES[:10]])), {"generated": "b"})
    with pytest.raises(ValueError, match="60 images were announced, and 10 came"):
        features.extracted(broken, {"features"}, PIXELS, context)
    assert not list(context.runs.root.glob("stages/features/*"))
    assert not list(context.runs.root.glob("work/*"))


def test_features_of_a_batch_are_not_kept(context, seen):
    batch = Batch(IMAGES.float() / 127.5 - 1)
    for _ in range(2):
        found = features.extract_batch(batch, {"features"}, PIXELS, context)
    assert sum(seen) == 120
    torch.testing.assert_close(torch.from_numpy(found.rows("features").copy()), rows_of(IMAGES)["features"])
    assert not list(context.runs.root.glob("stages/*"))
    with pytest.raises(UserError, match="the generated samples: features of images 0 to 59 are not all finite"):
        features.extract_batch(Batch(batch.x), {"features"}, nan_extractor(), context)


def nan_extractor():
    """An extractor whose features are not numbers."""
    return resolved(dataclasses.replace(COMPONENT, name="not-finite", build="pixel_features:NotFinite"))


def test_one_pass_serves_all_columns_of_an_extractor():
    other = dataclasses.replace(PIXELS, version="2/1")

    def column(needs, extractor, needs_reference=None):
        metric = dataclasses.replace(GAP, needs_features=frozenset(needs), needs_reference=needs_reference)
        return Column("c", "c", resolved(metric), MetricConfig(), 1, 1, extractor)

    columns = [
        column({"moments"}, PIXELS),
        column({"logits"}, PIXELS, needs_reference=frozenset()),
        column({"spatial"}, other),
        column(set(), None),
    ]
    assert features.shared_needs(PIXELS, columns) == ({"moments", "logits"}, {"moments"})
    assert features.shared_needs(other, columns) == ({"spatial"}, {"spatial"})


def test_records_hold_the_hash_of_the_extractors_weights(context):
    facts = features.extractor_facts(PIXELS, context)
    assert (facts.name, facts.version) == ("pixels", "1/1")
    assert (facts.weights_sha256, facts.preprocessing) == (PixelFeatures.weights_sha256, PixelFeatures.preprocessing)
