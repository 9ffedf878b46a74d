"""The frame of EDM's U-Nets: names and widths of the published entries, and which skip goes where."""

import pytest
import torch
from torch import nn

from harness.toolkit.unet_levels import Levels, decode, encode, module_dict


class Block(nn.Module):
    """Repeats or averages pixels, and projects the channels; adds the embedding."""

    def __init__(self, inputs, outputs, *, resample=None, attention=False):
        super().__init__()
        self.inputs, self.outputs, self.resample, self.attention = inputs, outputs, resample, attention
        self.project = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, embedding):
        if self.resample == "down":
            x = nn.functional.avg_pool2d(x, 2)
        if self.resample == "up":
            x = nn.functional.interpolate(x, scale_factor=2.0)
        return self.project(x) + embedding[:, :1, None, None]


LEVELS = Levels(resolution=8, widths=(4, 6, 10), blocks=2, attention={4}, attends_last=False)


def built(levels=LEVELS):
    encoder = list(levels.encoder(nn.Conv2d(3, 5, 3, padding=1), 5, Block))
    return encoder, list(levels.decoder([entry.channels for entry in encoder], Block))


def test_entries_have_the_published_names_in_the_order_of_the_forward_pass():
    encoder, decoder = built()
    assert [entry.name for entry in encoder] == [
        "8x8_conv", "8x8_block0", "8x8_block1", "4x4_down", "4x4_block0", "4x4_block1", "2x2_down", "2x2_block0", "2x2_block1",
    ]  # fmt: skip
    assert [entry.name for entry in decoder] == [
        "2x2_in0", "2x2_in1", "2x2_block0", "2x2_block1", "2x2_block2",
        "4x4_up", "4x4_block0", "4x4_block1", "4x4_block2",
        "8x8_up", "8x8_block0", "8x8_block1", "8x8_block2",
    ]  # fmt: skip


def test_widths_are_those_of_the_levels_and_a_new_level_begins_with_the_width_before():
    encoder, decoder = built()
    assert [entry.channels for entry in encoder] == [5, 4, 4, 4, 6, 6, 6, 10, 10]
    assert [(entry.module.inputs, entry.module.outputs) for entry in encoder[1:]] == [
        (5, 4), (4, 4), (4, 4), (4, 6), (6, 6), (6, 6), (6, 10), (10, 10),
    ]  # fmt: skip
    assert [entry.channels for entry in decoder] == [10] * 5 + [10] + [6] * 3 + [6] + [4] * 3
    # The main path's channels and those of the newest skip that no block has used: 10, 10, 6 | 6, 6, 4 | 4, 4, 5.
    assert [entry.module.inputs for entry in decoder if "_block" in entry.name] == [20, 20, 16, 16, 12, 10, 10, 8, 9]


@pytest.mark.parametrize(("attends_last", "expected"), [
    (False, {"4x4_block0", "4x4_block1", "4x4_block2", "2x2_in0"}), (True, {"4x4_block2", "2x2_in0"}),
])  # fmt: skip
def test_blocks_attend_at_their_sizes_and_the_first_of_the_coarsest_level_always(attends_last, expected):
    encoder, decoder = built(Levels(8, (4, 6, 10), 2, {4}, attends_last))
    assert {entry.name for entry in encoder[1:] if entry.module.attention} == {"4x4_block0", "4x4_block1"}
    assert {entry.name for entry in decoder if entry.module.attention} == expected


def test_images_go_down_and_up_again_and_every_skip_is_used_once():
    encoder, decoder = built()
    x, embedding = torch.randn(2, 3, 8, 8), torch.randn(2, 7)
    skips = encode(module_dict(encoder).items(), x, embedding)
    assert [tuple(skip.shape[1:]) for skip in skips] == [
        (5, 8, 8), (4, 8, 8), (4, 8, 8), (4, 4, 4), (6, 4, 4), (6, 4, 4), (6, 2, 2), (10, 2, 2), (10, 2, 2),
    ]  # fmt: skip
    joined = []

    def join(main, skip):
        joined.append(skip)
        return torch.cat([main, skip], 1)

    out = decode(module_dict(decoder).items(), skips, embedding, join=join)
    assert out.shape == (2, 4, 8, 8)
    assert all(skip is used for skip, used in zip(reversed(skips), joined, strict=True))
    torch.testing.assert_close(decode(module_dict(decoder).items(), skips, embedding), out)  # side by side is the default
    assert len(skips) == 9  # they stay as they were


def test_a_single_level_has_no_resampling():
    encoder, decoder = built(Levels(8, (4,), 1, ()))
    assert [entry.name for entry in encoder] == ["8x8_conv", "8x8_block0"]
    assert [entry.name for entry in decoder] == ["8x8_in0", "8x8_in1", "8x8_block0", "8x8_block1"]
