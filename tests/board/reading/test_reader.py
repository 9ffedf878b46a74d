"""What the readers of all parts of a board share."""

from pathlib import Path

import pytest

from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import parse_yaml
from harness.board.schema import BoardConfig, ComponentEntry
from harness.components import Dataset, Extractor, Method, Model, Sampler
from harness.inner_components import inner_samplers
from harness.plugins import registry

TEXT = "title: Grids\ndataset: grid\nmodel:\n  name: unet\n  width: 5\nmethods:\n  a: {method: x}\n"


@pytest.fixture
def reader(grid_plugins):
    return BoardReader(parse_yaml(TEXT, Path("board.yaml")), grid_plugins, is_smoke=False)


@pytest.fixture
def smoke_reader(grid_plugins):
    return BoardReader(parse_yaml(TEXT, Path("board.yaml")), grid_plugins, is_smoke=True)


def config(**changes):
    return BoardConfig.model_validate({
        "title": "Grids", "dataset": "grid", "bases": {"net": {"data": "grid"}}, "methods": {"none": None},
        "metrics": {"distance": None}, **changes,
    })  # fmt: skip


def test_a_component_is_found_with_its_plugin_its_version_and_its_defaults(reader):
    found = reader.resolve(Model, ComponentEntry(name="unet", width=5), ("model",))
    assert (found.name, found.plugin, found.version) == ("unet", "fake_grids", "1/1")
    assert (found.settings.width, found.settings.levels, found.full) == (5, 2, None)
    reader.faults.raise_any()


def test_an_unknown_component_is_a_fault_on_the_line_of_its_name(reader):
    assert reader.resolve(Model, ComponentEntry(name="unit"), ("model",)) is None
    (found,) = reader.faults.as_error().faults
    assert found.startswith("board.yaml:4: no model is called 'unit'; did you mean 'unet'? installed: chain, coarse, net, unet")


def test_a_component_of_another_kind_is_unknown(reader):
    assert reader.resolve(Method, ComponentEntry(name="unet"), ("model",)) is None
    assert "no method is called 'unet'" in str(reader.faults.as_error())


def test_a_wrong_setting_is_a_fault_on_its_own_line(reader):
    assert reader.resolve(Model, ComponentEntry(name="unet", width=0), ("model",)) is None
    assert reader.faults.as_error().faults == (
        "board.yaml:5: model.width: must be at least 1, got 0",
    )  # fmt: skip


def test_a_smoke_run_takes_noise_in_the_place_of_images_and_a_board_may_not(reader, smoke_reader):
    entry = ComponentEntry(name="brought", size=4)
    found = smoke_reader.resolve(Dataset, entry, ("dataset",))
    assert (found.settings.made_up, found.settings.size, found.full.made_up) == (True, 4, False)
    assert found.component.is_made_up(found.settings)
    for one in (reader, smoke_reader):
        assert one.resolve(Dataset, ComponentEntry(name="brought", made_up=True), ("dataset",)) is None
        assert one.faults.as_error().faults == (
            "board.yaml:2: the examples of brought would be made up with these settings, as in smoke runs",
        )  # fmt: skip


def test_a_smoke_run_shrinks_what_may_shrink(smoke_reader):
    entry = ComponentEntry(name="unet", width=5)
    small = smoke_reader.resolve(Model, entry, ("model",))
    assert (small.settings.width, small.full.width) == (2, 5)
    kept = smoke_reader.resolve(Model, entry, ("model",), may_shrink=False)
    assert (kept.settings.width, kept.full) == (5, None)


def test_sizes_in_a_smoke_run_may_depend_on_those_of_the_board(smoke_reader):
    small = smoke_reader.resolve(Model, ComponentEntry(name="unet-halving", width=10), ("model",))
    assert (small.settings.width, small.full.width) == (5, 10)


def test_a_smoke_run_takes_random_features_where_an_extractor_has_files(reader, smoke_reader):
    entry = ComponentEntry(name="published")
    found = smoke_reader.resolve(Extractor, entry, ("metrics",))
    assert (found.name, found.version, found.component.check_ready) == ("published", "stand-in", "")
    assert found.component.outputs == found.settings.outputs == {"features": 64, "spatial": 3}
    assert reader.resolve(Extractor, entry, ("metrics",)).component.build == "harness_fake_grids:x"
    bundled = smoke_reader.resolve(Extractor, ComponentEntry(name="edges"), ("metrics",))
    assert bundled.component.build == "harness_fake_grids:x"


def test_a_smoke_run_checks_the_boards_own_settings(smoke_reader):
    # The smaller width is right, and the board's is what runs later.
    assert smoke_reader.resolve(Model, ComponentEntry(name="unet", width=0), ("model",)) is None
    assert "model.width" in str(smoke_reader.faults.as_error())


def test_a_budget_is_checked_where_it_stands(reader):
    assert reader.training(config(), {"images": 256}, ("training",)).steps == 2
    assert reader.training(config(), {"images": 100}, ("methods", "a", "training")) is None
    (found,) = reader.faults.as_error().faults
    assert found.startswith("board.yaml:7: methods.a.training: images (100) is not a multiple of batch (128)")


def test_a_smoke_run_has_a_smaller_budget(smoke_reader):
    assert smoke_reader.training(config(), {"images": 128_000}, ("training",)).steps == 8


def test_there_is_an_evaluation_for_each_size_and_one_in_a_smoke_run(reader, smoke_reader):
    board = config(evaluation={"sizes": [500, 40]})
    assert [evaluation.samples for evaluation in reader.evaluations(board)] == [500, 40]
    assert [evaluation.samples for evaluation in smoke_reader.evaluations(board)] == [40]


def test_a_name_that_the_board_does_not_have_is_told_those_it_has(reader):
    reader.add_unknown(("methods", "a"), "base", "nett", ["net", "chain"])
    assert reader.faults.as_error().faults == (
        "board.yaml:7: no base of this board is called 'nett'; did you mean 'net'? there are: net, chain",
    )  # fmt: skip


def test_a_path_in_settings_begins_at_the_folder_of_the_board_in_smoke_runs_too(tmp_path):
    given = {"statistics": "file", "file": "stats.safetensors", "sha256": "a" * 64}
    for is_smoke in (False, True):
        reader = BoardReader(parse_yaml(TEXT, tmp_path / "rings" / "board.yaml"), registry(), is_smoke=is_smoke)
        found = reader.resolve(Sampler, ComponentEntry(name="dpm-solver-v3", **given), ("model",))
        reader.faults.raise_any()
        assert found.settings.file.path == tmp_path / "rings" / "stats.safetensors"
        inner = ComponentEntry(name="cfg", sampler={"name": "dpm-solver-v3", **given})
        (sampler,) = inner_samplers(reader.resolve(Sampler, inner, ("model",)).settings)
        assert sampler.config.model_dump()["file"].path == tmp_path / "rings" / "stats.safetensors"
