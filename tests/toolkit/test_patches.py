"""Images as smaller images of patches: which pixel becomes which channel, and that nothing is lost."""

import torch

from harness.toolkit.patches import in_patches


def test_a_network_sees_each_pixel_of_a_patch_as_a_channel():
    x = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6)
    seen = []
    in_patches(lambda patches: seen.append(patches) or patches, 2, x)
    (patches,) = seen
    assert patches.shape == (1, 8, 2, 3)
    for channel, i, j in [(0, 0, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)]:
        assert patches[0, 4 * channel + 2 * i + j].equal(x[0, channel, i::2, j::2])


def test_what_a_network_gives_is_put_back_to_its_place():
    x = torch.randn(3, 1, 8, 8)
    assert in_patches(lambda patches: patches, 4, x).equal(x)
    assert in_patches(lambda patches: 2 * patches, 1, x).equal(2 * x)
