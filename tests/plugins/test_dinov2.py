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
    monkeypatch.setattr(extractor, "SIZE", 56)  # a sixteenth of the patches
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


def small(grid=3, seed=0):
    """A network of four channels, two heads and patches of two pixels, whose weights are all random."""
    with seeded(seed):
        network = VisionTransformer(width=4, depth=2, heads=2, patch=2, grid=grid).double()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return network.requires_grad_(False)


def test_a_block_is_its_formula():
    block, x = small().blocks[0], torch.randn(2, 5, 4, generator=stream(0, "x"), dtype=torch.float64)

    def norm(x, layer):
        return torch.nn.functional.layer_norm(x, (4,), layer.weight, layer.bias, 1e-6)

    middle = x + block.ls1["gamma"] * block._attend(norm(x, block.norm1))
    hidden = norm(middle, block.norm2) @ block.mlp["fc1"].weight.T + block.mlp["fc1"].bias
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    expected = middle + block.ls2["gamma"] * (hidden @ block.mlp["fc2"].weight.T + block.mlp["fc2"].bias)
    torch.testing.assert_close(block(x), expected)


def test_the_output_is_the_normalised_class_token_after_all_blocks():
    network, x = small(), torch.randn(2, 3, 6, 6, generator=stream(0, "x"), dtype=torch.float64)
    patches = x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).reshape(2, 9, 12)  # row after row
    proj = network.patch_embed["proj"]
    tokens = patches @ proj.weight.flatten(1).T + proj.bias
    h = torch.cat([network.cls_token.expand(2, -1, -1), tokens], 1) + network.pos_embed
    for block in network.blocks:
        h = block(h)
    torch.testing.assert_close(network(x), network.norm(h)[:, 0])


def test_positions_of_the_trainings_grid_are_taken_as_they_are_and_others_resized():
    network = small(grid=4)
    assert network._positions(4) is network.pos_embed
    resized = network._positions(6)
    assert resized.shape == (1, 1 + 36, 4)
    assert torch.equal(resized[:, 0], network.pos_embed[:, 0])  # the class token's stays
    network.pos_embed.fill_(2.5)
    torch.testing.assert_close(network._positions(6), torch.full((1, 37, 4), 2.5, dtype=torch.float64))


def test_a_larger_image_has_more_patches_and_as_many_features():
    network = small(grid=2)
    for side in (4, 8, 10):
        assert network(torch.zeros(3, 3, side, side, dtype=torch.float64)).shape == (3, 4)


@pytest.mark.parametrize("content", [b"no weights", print])
def test_a_file_that_is_no_weights_is_named_and_never_run(weights, content):
    if isinstance(content, bytes):
        weights.write_bytes(content)
    else:
        torch.save(content, weights)
    with pytest.raises(UserError, match=r"weights\.pth holds no weights of ViT-L/14: it is no PyTorch file of tensors alone"):
        extractor.DINOv2(NoConfig())


def test_other_sizes_are_resized_with_antialias_and_the_right_one_is_not():
    flat = torch.full((1, 3, 50, 30), 100, dtype=torch.uint8)
    expected = [(100 / 255 - mean) / std for mean, std in zip(extractor.MEAN, extractor.STD, strict=True)]
    resized = extractor.prepared(flat)
    assert resized.shape == (1, 3, 224, 224)
    assert resized.mean((0, 2, 3)).tolist() == pytest.approx(expected, abs=1e-4)
    grey = torch.randint(0, 256, (1, 1, 224, 224), dtype=torch.uint8, generator=stream(0, "grey"))
    back = extractor.prepared(grey)[:, 1:2] * extractor.STD[1] + extractor.MEAN[1]
    torch.testing.assert_close(back * 255, grey.float(), rtol=0, atol=1e-3)


def test_absent_weights_are_named_with_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_DINOV2", str(tmp_path / "nowhere.pth"))
    with pytest.raises(UserError, match=r"extractor dinov2: \$HARNESS_DINOV2 names .*nowhere\.pth, which is no file"):
        files.check(NoConfig())
