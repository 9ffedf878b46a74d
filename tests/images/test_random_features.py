"""Random features in the place of an extractor's: of its form, and of the image alone."""

from dataclasses import replace

import torch

from harness.components import Extractor
from harness.images.random_features import RandomFeatures
from harness.images.stand_in import StandInConfig, is_stand_in, stand_in
from harness.streams import stream
from harness.testing.extractors import check_extractor

REAL = Extractor("deep", build="nowhere:x", summary="", outputs={"features": 2048, "logits": 10}, check_ready="nowhere:y")
IMAGES = torch.randint(0, 256, (5, 3, 20, 26), dtype=torch.uint8, generator=stream(0, "images"))


def test_a_stand_in_needs_no_file_and_has_the_name_and_few_features():
    assert is_stand_in(stand_in(REAL))
    assert not is_stand_in(REAL)
    assert (stand_in(REAL).name, stand_in(REAL).check_ready, stand_in(REAL).outputs) == (
        "deep",
        "",
        {"features": 64, "logits": 10},
    )


def test_random_features_keep_the_contract_of_extractors():
    check_extractor(stand_in(replace(REAL, outputs={"features": 2048})))


def test_features_depend_on_the_image_alone_and_differ_between_images():
    extract = RandomFeatures(StandInConfig(outputs={"features": 64}))
    features = extract(IMAGES)["features"]
    torch.testing.assert_close(extract(IMAGES[2:3])["features"], features[2:3], rtol=0, atol=1e-5)
    assert torch.pdist(features).min() > 0.1
