"""The frame of EDM's and EDM2's U-Nets: which entries there are, how wide, where they attend, and how skips travel."""

import pytest
import torch

from harness.toolkit.unet_levels import Levels, decode, encode, module_dict, side_by_side


class Recorder(torch.nn.Module):
    """Stands for a block: keeps what it was made with, and gives ones of its width at its resolution."""

    def __init__(self, inputs, outputs, *, resample=None, attention=False):
        super().__init__()
        self.inputs, self.outputs, self.resample, self.attention = inputs, outputs, resample, attention
        self.seen = []

    def forward(self, x, embedding):
        self.seen.append((tuple(x.shape), embedding))
        side = {"down": x.shape[-1] // 2, "up": x.shape[-1] * 2}.get(self.resample, x.shape[-1])
        return torch.ones(len(x), self.outputs, side, side)


def built(levels, first=3, channels=1):
    encoder = list(levels.encoder(torch.nn.Conv2d(channels, first, 3, padding=1), first, Recorder))
    return encoder, list(levels.decoder([entry.channels for entry in encoder], Recorder))


THREE = Levels(resolution=16, widths=(4, 6, 8), blocks=2, attention=(8,))


def test_entries_have_the_published_names_in_the_order_of_the_forward_pass():
    encoder, decoder = built(THREE)
    assert [entry.name for entry in encoder] == [
        "16x16_conv", "16x16_block0", "16x16_block1", "8x8_down", "8x8_block0", "8x8_block1",
        "4x4_down", "4x4_block0", "4x4_block1",
    ]  # fmt: skip
    assert [entry.name for entry in decoder] == [
        "4x4_in0", "4x4_in1", "4x4_block0", "4x4_block1", "4x4_block2",
        "8x8_up", "8x8_block0", "8x8_block1", "8x8_block2", "16x16_up", "16x16_block0", "16x16_block1", "16x16_block2",
    ]  # fmt: skip


def test_a_level_changes_its_width_in_its_first_block_and_not_where_it_resamples():
    encoder, decoder = built(THREE)
    widths = {entry.name: (entry.module.inputs, entry.module.outputs) for entry in encoder[1:]}
    assert widths["16x16_block0"] == (3, 4)
    assert widths["8x8_down"] == (4, 4)
    assert widths["8x8_block0"] == (4, 6)
    assert widths["8x8_block1"] == (6, 6)
    assert all(entry.channels == entry.module.outputs for entry in [*encoder[1:], *decoder])


def test_each_decoder_block_takes_one_skip_the_last_first():
    encoder, decoder = built(THREE)
    skips = [entry.channels for entry in encoder]
    current = 8
    for entry in decoder:
        extra = skips.pop() if "_block" in entry.name else 0
        assert entry.module.inputs == current + extra, entry.name
        current = entry.module.outputs
    assert skips == []


@pytest.mark.parametrize(("attends_last", "expected"), [(False, [True, True, True]), (True, [False, False, True])])
def test_all_blocks_of_a_decoder_level_attend_or_only_the_last_one(attends_last, expected):
    levels = Levels(16, (4, 6, 8), blocks=2, attention=(8,), attends_last=attends_last)
    encoder, decoder = built(levels)
    attention = {entry.name: entry.module.attention for entry in [*encoder[1:], *decoder]}
    assert [attention[f"8x8_block{index}"] for index in range(3)] == expected
    assert not any(attention[f"16x16_block{index}"] for index in range(3))
    # The two entries of the coarsest level do not follow the list of sizes.
    assert attention["4x4_in0"]
    assert not attention["4x4_in1"]


def test_a_single_level_neither_halves_nor_doubles():
    encoder, decoder = built(Levels(8, (5,), blocks=1, attention=()))
    assert [entry.name for entry in encoder] == ["8x8_conv", "8x8_block0"]
    assert [entry.name for entry in decoder] == ["8x8_in0", "8x8_in1", "8x8_block0", "8x8_block1"]


def test_blocks_are_built_one_by_one_in_the_order_of_the_forward_pass():
    # The order decides which random numbers each weight gets from a seed, so another order would be another base.
    made = []

    def make(inputs, outputs, *, resample=None, attention=False):
        made.append((inputs, outputs))
        return Recorder(inputs, outputs, resample=resample, attention=attention)

    entries = THREE.encoder(torch.nn.Identity(), 3, make)
    next(entries)
    assert made == []
    next(entries)
    assert made == [(3, 4)]


def run(levels, embedding, join=side_by_side):
    encoder, decoder = (module_dict(entries) for entries in built(levels))
    skips = encode(encoder.items(), torch.zeros(2, 1, 16, 16), embedding)
    return encoder, decoder, skips, decode(decoder.items(), skips, embedding, join=join)


def test_the_encoder_leaves_one_skip_an_entry_at_the_resolution_in_its_name():
    encoder, _, skips, _ = run(THREE, torch.zeros(1))
    assert len(skips) == len(encoder)
    for name, skip in zip(encoder, skips, strict=True):
        side = int(name.split("x")[0])
        assert skip.shape[2:] == (side, side), name


def test_the_decoder_ends_at_the_finest_level_and_gives_every_block_the_embedding():
    embedding = torch.tensor([7.0])
    encoder, decoder, skips, x = run(THREE, embedding)
    assert x.shape == (2, 4, 16, 16)
    blocks = [module for module in [*encoder.values(), *decoder.values()] if isinstance(module, Recorder)]
    assert all(len(block.seen) == 1 and block.seen[0][1] is embedding for block in blocks)
    assert len(skips) == 9  # the caller's list is left as it was


def test_the_join_is_given_the_main_path_first_and_the_newest_unused_skip():
    pairs = []

    def join(x, skip):
        pairs.append((x, skip))
        return side_by_side(x, skip)

    _, _, skips, _ = run(THREE, torch.zeros(1), join)
    assert [skip is expected for (_, skip), expected in zip(pairs, reversed(skips), strict=True)] == [True] * 9
    torch.testing.assert_close(
        side_by_side(torch.zeros(1, 2, 3, 3), torch.ones(1, 1, 3, 3))[0, :, 0, 0], torch.tensor([0.0, 0, 1])
    )
