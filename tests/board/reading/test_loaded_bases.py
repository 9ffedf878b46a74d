"""Bases whose weights are loaded: what presets, files and both give, and what is a fault of them."""

import pytest
from harness_fake_grids import TOKENIZER, WHOLE

from harness.interfaces import DataSpec
from harness.weights import cache
from harness.weights.base_files import BaseWeights

PRETRAINED = "net: {model: unet, pretrain: {method: parts, training: {images: 256}}}"


@pytest.fixture
def origin(grids):
    """The origin of a base that is written in the place of the pretrained one."""

    def read(entry, **options):
        (base,) = grids((PRETRAINED, entry), **options).bases
        return base.origin

    return read


def test_a_preset_brings_model_settings_files_and_spec(origin):
    loaded = origin("net: {weights: unet-8}")
    assert (loaded.model.name, loaded.model.settings.width, loaded.sampler.name) == ("unet", 32, "ascent")
    assert (loaded.weights.preset, loaded.weights.spec) == ("unet-8", DataSpec((1, 8, 8), preview="images"))
    assert [(file.part, file.path, file.sha256, file.published) for file in loaded.files] == [
        ("", cache.path(WHOLE), "a" * 64, WHOLE),
        ("tokenizer", cache.path(TOKENIZER), None, TOKENIZER),
    ]


def test_settings_beside_a_preset_change_some_of_its_own(origin):
    settings = origin("net: {weights: unet-8, model: {name: unet, levels: 3}}").model.settings
    assert (settings.width, settings.levels) == (32, 3)


def test_a_file_beside_a_preset_replaces_its_file_and_its_hash(origin):
    whole, tokenizer = origin("net: {weights: {preset: unet-8, file: mine.safetensors}}").files
    assert (whole.path.name, whole.sha256, whole.published) == ("mine.safetensors", None, None)
    assert tokenizer.published == TOKENIZER


def test_a_hash_beside_a_preset_replaces_its_hash_alone(origin):
    whole, _ = origin(f"net: {{weights: {{preset: unet-8, sha256: {'b' * 64}}}}}").files
    assert (whole.sha256, whole.published) == ("b" * 64, WHOLE)


def test_a_part_may_have_a_file_of_its_own(origin):
    _, tokenizer = origin(f"net: {{weights: {{preset: unet-8, parts: {{tokenizer: {{file: t.pt, sha256: {'c' * 64}}}}}}}}}").files
    assert (tokenizer.part, tokenizer.path.name, tokenizer.sha256) == ("tokenizer", "t.pt", "c" * 64)


def test_paths_start_at_the_boards_folder(origin, tmp_path):
    (file,) = origin("net: {model: unet, weights: ../net.pt}").files
    assert file.path.resolve() == (tmp_path / "leaderboards" / "net.pt").resolve()
    (file,) = origin("net: {model: unet, weights: /elsewhere/net.pt}").files
    assert str(file.path) == "/elsewhere/net.pt"


def test_each_file_knows_the_line_that_names_it(origin, tmp_path):
    entry = "net:\n    model: unet\n    weights:\n      file: net.pt\n      parts:\n        tokenizer: t.pt"
    whole, tokenizer = origin(entry).files
    assert whole.where.endswith("board.yaml:7")
    assert tokenizer.where.endswith("board.yaml:9")


def test_files_alone_have_no_preset(origin):
    weights = origin("net: {model: unet, weights: net.pt}").weights
    assert (weights.preset, weights.spec) == ("", None)


def test_a_smoke_run_does_not_shrink_the_network_that_a_file_of_the_board_is_for(origin):
    loaded = origin("net: {model: unet, weights: net.pt}", smoke=True)
    assert (loaded.model.settings.width, loaded.weights.is_stand_in, len(loaded.files)) == (16, False, 1)
    assert origin(PRETRAINED, smoke=True).model.settings.width == 2


@pytest.mark.parametrize("weights", ["unet-8", "{preset: unet-8, file: mine.pt}"])
def test_in_a_smoke_run_a_tiny_network_with_random_weights_stands_in_for_a_preset(grids, weights):
    entry = f"net: {{weights: {weights}, label: Grids}}"
    (base,) = grids((PRETRAINED, entry), smoke=True).bases
    assert (base.network.model.settings.width, base.network.model.full.width) == (2, 32)
    assert (base.network.weights.is_stand_in, base.network.files) == (True, ())
    assert base.label == "Grids, random weights"
    (real,) = grids((PRETRAINED, entry)).bases
    assert (real.network.weights.is_stand_in, real.label) == (False, "Grids")
    assert real.key != base.key


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("net: {weights: unet-9}", "no preset is called 'unet-9'; did you mean 'unet-8'? installed: unet-8, unet-secret"),
        ("net: {weights: unet-8, model: coarse}", "the preset unet-8 is of the model unet, not coarse"),
        ("net: {weights: unet-secret}", "no file of unet-secret is published: give weights.file"),
        ("net: {weights: unet-8, model: {name: unet, width: 0}}", "bases.net.model.width: must be at least 1, got 0"),
        ("net: {model: coarse, weights: a.pt, sampler: ascent}", "coarse lacks Likelihood, which the sampler ascent needs"),
        ("net: {weights: unet-8, sampler: gided}", "no sampler is called 'gided'; did you mean 'guided'"),
        (
            "net: {weights: {file: a.pt, sha256: abc}, model: unet}",
            "bases.net.weights.sha256: must be a sha256, 64 digits out of 0-9 and a-f, got 'abc'",
        ),
    ],
)
def test_a_fault_is_told_with_its_line(grid_faults, entry, message):
    (found,) = grid_faults((PRETRAINED, entry))
    assert found.startswith(f"board.yaml:4: {message}")


def test_a_preset_of_other_data_than_the_boards_is_a_fault_of_the_board(grid_faults, monkeypatch):
    monkeypatch.setattr(
        BaseWeights, "data_fault", lambda self, data, dataset: f"{self.preset} is not for {data.shape} of {dataset}"
    )
    (found,) = grid_faults((PRETRAINED, "net: {weights: unet-8}"))
    assert found.startswith("board.yaml:4: unet-8 is not for (")


def test_the_part_of_a_file_that_is_read_can_be_named(origin):
    entry = "net: {weights: {preset: unet-8, file: a.pt, part: ema, parts: {tokenizer: {file: t.pt, part: net.ema}}}}"
    assert [file.table for file in origin(entry).files] == ["ema", "net.ema"]
    assert [file.table for file in origin("net: {weights: {preset: unet-8, part: ema}}").files] == ["ema", ""]


def test_a_preset_without_files_may_get_one(origin):
    (file,) = origin("net: {weights: {preset: unet-secret, file: mine.pt}}").files
    assert file.path.name == "mine.pt"


def test_files_that_are_absent_are_no_fault_of_the_board(origin):
    (file,) = origin("net: {model: unet, weights: net.pt}").files
    assert not file.path.exists()
