"""Samplers of bases, and the bases that their settings name."""

import pytest
from board_faults import fault

NET = "net: {model: unet, pretrain: {method: parts, training: {images: 256}}}"
GUIDED = NET.replace("model: unet,", "model: unet, sampler: {name: guided, guide: small},")
SMALL = "small: {model: {name: unet, width: 4}, pretrain: {method: parts, training: {images: 128}}}"


def both(net=GUIDED, small=SMALL):
    return NET, f"{net}\n  {small}"


def test_a_sampler_that_cannot_drive_the_model_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{label: Net,", "{label: Net, sampler: walk,")
    assert found == "board.yaml:4: net lacks Transitions, which the sampler walk needs"


def test_a_base_without_a_sampler_has_the_models_native_one(grids):
    (base,) = grids().bases
    assert base.network.sampler.name == "ascent"
    (base,) = grids(("model: unet,", "model: unet, sampler: draw,")).bases
    assert base.network.sampler.name == "draw"


def test_a_sampler_holds_the_bases_that_its_settings_name(grids):
    net, small = grids(both()).bases
    assert net.network.sampler.bases == (small,)
    assert small.network.sampler.bases == ()
    assert net.network.sampler.identity["bases"] == {"small": small.key}


def test_a_base_may_be_named_before_it_stands_there_and_name_itself(grids):
    text = GUIDED.replace("name: guided", "name: twice-guided")
    net, _ = grids(both(text)).bases
    assert [base.name for base in net.network.sampler.bases] == ["small", "net"]
    assert net.network.sampler.bases[1].key == net.key


def test_another_guide_changes_the_samples_and_not_the_weights(grids):
    def cell(small):
        return grids(both(small=small)).cells[0]

    wide = SMALL.replace("width: 4", "width: 5")
    assert cell(SMALL).finetune_key == cell(wide).finetune_key
    assert cell(SMALL).sample_key != cell(wide).sample_key


@pytest.mark.parametrize(
    ("small", "message"),
    [
        (SMALL.replace("small:", "tiny:"), "no base of this board is called 'small'; there are: net, tiny"),
        ("small: {data: grid}", "the base 'small' is data, and no network"),
        (SMALL.replace("{name: unet, width: 4}", "coarse"), "coarse lacks Likelihood, which guided needs"),
    ],
)
def test_a_name_that_is_no_guide_is_a_fault_with_the_line_of_the_sampler(grid_faults, small, message):
    (found,) = grid_faults(both(small=small))
    assert found == f"board.yaml:4: {message}"


def test_a_guide_with_a_fault_of_its_own_is_no_unknown_base(grid_faults):
    (found,) = grid_faults(both(small=SMALL.replace("method: parts", "method: part")))
    assert found.startswith("board.yaml:5: no method is called 'part'")


def test_a_name_like_a_base_is_told_the_nearest(grid_faults):
    (found,) = grid_faults(both(GUIDED.replace("guide: small", "guide: smal")))
    assert "no base of this board is called 'smal'; did you mean 'small'? there are: net, small" in found


CELLS = ("seeds: [0]", "seeds: [0, 1]")


def test_bases_of_several_seeds_call_the_guide_of_the_same_place(grids):
    seeds = "{images: %d}, seeds: [0, 1]}"
    net, small = GUIDED.replace("{images: 256}}", seeds % 256), SMALL.replace("{images: 128}}", seeds % 128)
    first, second, guide, other = grids(CELLS, both(net, small)).bases
    assert (first.network.sampler.bases, second.network.sampler.bases) == ((guide,), (other,))
    first, second, guide = grids(CELLS, both(net)).bases
    assert (first.network.sampler.bases, second.network.sampler.bases) == ((guide,), (guide,))


def test_a_base_of_one_seed_cannot_call_a_guide_of_several(grid_faults):
    (found,) = grid_faults(CELLS, both(small=SMALL.replace("{images: 128}}", "{images: 128}, seeds: [0, 1]}")))
    assert found == "board.yaml:4: the base 'small' has 2 seeds, and 'net' has 1: give both as many"
