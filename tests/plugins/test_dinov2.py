"""DINOv2's network, small and with random weights: names, sizes, and what must not matter."""

import pytest
import torch

from harness import NoConfig, UserError
from harness.components import Extractor
from harness.plugins import registry
from harness.streams import seeded, stream
from harness.testing.extractors import check_extractor
from harness_dinov2 import extractor, files
from harness_dinov2.network import VisionTransformer


def tiny():
    with seeded(0):
        network = VisionTransformer(width=1024, depth=1, heads=16)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """One block instead of 24, through the same file and loader."""
    torch.save(tiny().state_dict(), tmp_path / "weights.pth")
    monkeypatch.setattr(extractor, "VisionTransformer", lambda: VisionTransformer(depth=1))
    monkeypatch.setenv("HARNESS_DINOV2", str(tmp_path / "weights.pth"))
    return tmp_path / "weights.pth"


def test_it_keeps_the_contract(weights):
    check_extractor(registry().get(Extractor, "dinov2", where="test"), shape=(1, 12, 10))


def test_the_network_has_the_published_size():
    with torch.device("meta"):
        network = VisionTransformer()
    # 24 blocks of 12,598,272, 1,370 positions and a class and a mask token of 1,024 each, patches 603,136, normalisation 2,048.
    assert sum(one.numel() for one in network.parameters()) == 304_368_640


def test_without_positions_the_order_of_patches_does_not_matter():
    network = tiny().eval()
    torch.nn.init.zeros_(network.pos_embed)
    x = torch.randn(1, 3, 28, 28, generator=stream(0, "x"))
    swapped = torch.cat([x[..., 14:], x[..., :14]], -1)
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(swapped), rtol=1e-4, atol=1e-5)


def test_attention_is_the_formula():
    block = tiny().blocks[0]
    x = torch.randn(1, 5, 1024, generator=stream(0, "x"))
    with torch.no_grad():
        query, key, value = block.attn["qkv"](x).reshape(5, 3, 16, 64).permute(1, 2, 0, 3)
        mixed = torch.softmax(query @ key.transpose(1, 2) / 8, -1) @ value
        expected = block.attn["proj"](mixed.transpose(0, 1).reshape(1, 5, 1024))
        torch.testing.assert_close(block._attend(x), expected, rtol=1e-4, atol=1e-5)


def test_other_weights_are_refused(weights):
    torch.save({"cls_token": torch.zeros(1)}, weights)
    with pytest.raises(UserError, match=r"weights\.pth holds no weights of ViT-L/14"):
        extractor.DINOv2(NoConfig())


def test_white_and_black_have_imagenets_scale():
    white = torch.full((1, 1, 224, 224), 255, dtype=torch.uint8)
    expected = [(1 - mean) / std for mean, std in zip(extractor.MEAN, extractor.STD, strict=True)]
    assert extractor.prepared(white)[0, :, 0, 0].tolist() == pytest.approx(expected)
    assert files.WEIGHTS.sha256 is None
