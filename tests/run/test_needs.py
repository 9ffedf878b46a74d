"""What is missing is said before the first job, all at once, and only where it is needed."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import targets
from harness.board.reading.load import load_board
from harness.components import Component, Dataset, Extractor, Model
from harness.errors import Faults, UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.presets import WeightsFile
from harness.references import Reference
from harness.run.needs import Needs
from harness.weights import cache

LOADED = """\
title: Loaded
dataset: digits
bases:
  here: {{weights: {{preset: edm-tiny-8, file: {file}{sha}}}, sampler: {{name: heun, steps: 3}}}}
  published: {{weights: {{preset: published-8}}, sampler: {{name: heun, steps: 3}}}}
training: {{images: 64, batch: 32}}
methods: {{none: , mle: {{only: base=here}}}}
seeds: [0]
evaluation: {{samples: 16, batch: 16}}
metrics: {{sliced-w2: , "fid[inception]": {{metric: {{name: fid, few_images: true}}}}}}
"""
GUIDED = """\
title: Guided
dataset: digits
bases:
  guide: {{weights: {{preset: edm-tiny-8, file: {file}}}, sampler: {{name: heun, steps: 3}}}}
  main:
    model: {{name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: [], is_conditional: false}}
    pretrain: {{method: mle, training: {{images: 64, batch: 32}}}}
    sampler: {{name: autoguidance, sampler: {{name: {inner}, steps: 3}}}}
methods: {{none: }}
training: {{images: 64, batch: 32}}
seeds: [0]
evaluation: {{samples: 16, batch: 16}}
metrics: {{sliced-w2: }}
"""

SAMPLED = """\
title: Sampled
dataset: digits
bases:
  guide: {{weights: {{preset: edm-tiny-8, file: {file}}}, only: sampler=plain}}
  main:
    model: {{name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: [], is_conditional: false}}
    pretrain: {{method: mle, training: {{images: 64, batch: 32}}}}
methods: {{none: }}
training: {{images: 64, batch: 32}}
seeds: [0]
evaluation:
  samples: 16
  batch: 16
  samplers: {{plain: heun, guided: {{name: autoguidance, guide: guide, sampler: {{name: euler, steps: 3}}}}}}
metrics: {{sliced-w2: }}
"""

MADE = """\
title: Made
dataset: digits
bases:
  main:
    model: {{name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: [], is_conditional: false}}
    pretrain: {{method: mle, training: {{images: 64, batch: 32}}}}
methods: {{none: }}
seeds: [0]
evaluation: {{samples: 16, batch: 16}}
metrics: {{sliced-w2: }}
"""


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    for variable in ("HARNESS_INCEPTION", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _published(monkeypatch):
    """A preset that has a file at an address, and whose images are those of the dataset."""
    tiny = registry().presets["edm-tiny-8"]
    files = (WeightsFile("published-8.bin", "https://example.org/published-8.bin", "b" * 64),)
    monkeypatch.setitem(registry()._presets, "published-8", replace(tiny, name="published-8", files=files))


@pytest.fixture
def read(tmp_path):
    def board(text, **fields):
        (tmp_path / "board").mkdir(exist_ok=True)
        (tmp_path / "board" / "board.yaml").write_text(text.format(**{"file": "w.pt", "sha": "", "inner": "heun", **fields}))
        return load_board(tmp_path / "board")

    return board


@pytest.fixture
def weights(tmp_path):
    """The file w.pt of the tiny preset, beside the board."""
    preset = registry().presets["edm-tiny-8"]
    network = registry().get(Model, preset.model, where="this test").create(preset.config, preset.spec)
    (tmp_path / "board").mkdir()
    torch.save({"ema": network.state_dict()}, tmp_path / "board" / "w.pt")
    return tmp_path / "board" / "w.pt"


def of_cells(board, *names):
    """What these cells need, and no floor."""
    return Needs(board, tuple(cell for cell in board.cells if cell.name in names), ())


def test_a_board_of_points_needs_nothing_that_is_not_here(small):
    needs = Needs.of_whole(small)
    needs.check()
    assert (needs.absent_packages(), needs.absent_files(), needs.unfit_weights(), needs.published_files()) == ([], [], [], [])


def test_every_absent_file_is_named_at_once_with_its_line(read):
    with pytest.raises(Faults) as caught:
        Needs.of_whole(read(LOADED)).check()
    here, published, extractor = caught.value.faults
    assert "board.yaml:4: no file of weights is at" in here
    assert "board.yaml:5: published-8.bin: not here" in published
    assert extractor.startswith("extractor inception: ")


def test_what_can_be_fetched_need_not_be_brought(read):
    needs = Needs.of_whole(read(LOADED))
    file, extractor = needs.published_files()
    assert (file.name, extractor.name) == ("published-8.bin", "weights-inception-2015-12-05-6726825d.pth")
    brought = needs.absent_files(only_brought=True)
    assert len(brought) == 1
    assert not any(file.name in fault for fault in brought)
    cache.path(file).parent.mkdir(parents=True)
    cache.path(file).write_bytes(b"")
    assert not any(file.name in fault for fault in needs.absent_files())


def test_only_the_files_of_cells_that_run_are_needed(read, weights):
    board = read(LOADED)
    (extractor,) = of_cells(board, "here/mle/s0", "here/none/s0").absent_files()
    assert extractor.startswith("extractor inception")
    assert Needs(board, (), ()).absent_files() == []
    assert len(Needs(board, (), board.floors).absent_files()) == 1  # floors are measured with the extractor


def test_a_file_of_another_network_or_another_hash_is_refused(read, weights):
    board = read(LOADED)
    assert of_cells(board, "here/none/s0").unfit_weights() == []
    right = hashlib.sha256(weights.read_bytes()).hexdigest()
    wrong = "f" * 64
    pinned = read(LOADED, sha=f", sha256: {wrong}")
    (fault,) = of_cells(pinned, "here/none/s0").unfit_weights()
    assert f"has sha256 {right}, and the board or its preset says {wrong}" in fault
    torch.save({"ema": {"model.x": torch.zeros(1)}}, weights)
    (fault,) = of_cells(read(LOADED), "here/none/s0", "here/mle/s0").unfit_weights()
    assert "1 unexpected: model.x (1)" in fault


def test_data_that_a_preset_does_not_generate_are_refused_before_its_file_is_asked_for(read, monkeypatch):
    board = read(LOADED)
    monkeypatch.setattr(Needs, "known_data", DataSpec((1, 16, 16), 10, "images"))
    with pytest.raises(Faults) as caught:
        Needs.of_whole(board).check()
    assert caught.value.faults == tuple(
        f"base {base}: {preset} generates data of shape (1, 8, 8), and the dataset digits has (1, 16, 16)"
        for base, preset in (("here", "edm-tiny-8"), ("published", "published-8"))
    )


def test_where_the_data_are_absent_only_that_is_said(read, weights, monkeypatch):
    def absent(self, settings):
        raise UserError("no data")

    needs = of_cells(read(LOADED), "here/none/s0")
    monkeypatch.setattr(Dataset, "known_spec", lambda _component, _settings: None)
    monkeypatch.setattr(Dataset, "check_readiness", absent)
    assert (needs.unfit_data(), needs.unfit_weights(), needs.weights_remarks()) == ([], [], [])
    assert "no data" in needs.absent_files()


def test_what_was_read_of_a_file_is_a_remark(read, weights):
    needs = of_cells(read(LOADED), "here/none/s0")
    assert needs.weights_remarks() == [f"base here: {weights}: the averaged weights 'ema' were read"]


def test_a_component_that_cannot_be_built_is_named_before_any_work(small):
    cells = [replace(cell, row=replace(cell.row, method=broken(cell.method))) for cell in small.cells]
    with pytest.raises(Faults) as caught:
        Needs(small, tuple(cells), ()).check()
    # A dry run finds the same without importing anything.
    assert tuple(Needs(small, tuple(cells), ()).missing_targets()) == caught.value.faults
    text = "method none, build: 'harness_controls.none:Nothin': harness_controls.none has no 'Nothin'; did you mean 'Nothing'?"
    assert text in str(caught.value)


def broken(resolved):
    return replace(resolved, component=replace(resolved.component, build=resolved.component.build[:-1]))


def test_the_base_that_guides_is_needed_by_the_base_that_it_guides(read):
    board = read(GUIDED)
    (fault,) = of_cells(board, "main/none/s0").absent_files()
    assert "board.yaml:4: no file of weights is at" in fault


def test_an_absent_package_is_named_with_the_command_that_installs_it(read, weights, small, monkeypatch):
    board = read(GUIDED, inner="dpm-solver++")
    monkeypatch.setattr(targets, "find_spec", {}.get)
    (fault,) = of_cells(board, "main/none/s0").absent_packages()
    assert fault.startswith("sampler dpm-solver++: needs diffusers")
    assert "pip install 'finetune-harness[diffusers]'" in fault
    with pytest.raises(UserError, match="needs diffusers"):
        of_cells(board, "main/none/s0").check()
    assert of_cells(board, "guide/none/s0").absent_packages() == []
    assert Needs.of_whole(small).absent_packages() == []


def test_a_skipped_cell_needs_nothing(small, monkeypatch):
    (skipped,) = [cell for cell in small.cells if cell.skip_reason]
    monkeypatch.setattr(Component, "check_packages", lambda component: pytest.fail(component.name))
    assert Needs(small, (skipped,), ()).absent_packages() == []


def test_absent_data_and_extractors_are_named_once_however_many_columns_share_them(small, monkeypatch):
    def check(self, settings):
        raise UserError(f"{self.kind} {self.name}: no files")

    monkeypatch.setattr(Dataset, "check_readiness", check)
    monkeypatch.setattr(Extractor, "check_readiness", check)
    assert Needs.of_whole(small).absent_files() == ["dataset swiss-roll: no files"]


def test_files_that_components_ask_for_can_be_fetched_each_once(small, monkeypatch):
    asked = []

    def needed_files(self, settings):
        asked.append(self.name)
        return [WeightsFile("shared.pt"), WeightsFile(f"{self.name}.pt")]

    monkeypatch.setattr(Component, "needed_files", needed_files)
    files = [file.name for file in Needs.of_whole(small).published_files()]
    assert files.count("shared.pt") == 1
    assert {f"{name}.pt" for name in asked} == set(files) - {"shared.pt"}
    assert {"swiss-roll", "ddpm-mlp", "edm-mlp", "ddo", "sft-pg", "mle", "none", "sliced-w2"} <= set(asked)


def test_a_network_that_cannot_be_built_stops_a_run_and_a_dry_run_before_any_work(read, monkeypatch):
    def fails(config, spec):
        raise ValueError("no such width")

    monkeypatch.setattr("harness_edm.unet.build", fails)
    board = read(MADE)
    with pytest.raises(Faults) as caught:
        Needs.of_whole(board).check()
    (fault,) = caught.value.faults
    assert fault.startswith("base main: model edm-unet cannot be built with these settings")
    assert fault.endswith("ValueError: no such width")


def test_samplers_of_the_evaluation_and_the_bases_that_they_call_are_needed(read):
    board = read(SAMPLED)
    cells = [cell for cell in board.cells if cell.base.name == "main"]
    alone, guided = (
        Needs(board, tuple(cell for cell in cells if cell.row.sampler_name == name), ()) for name in ("plain", "guided")
    )
    assert [base.name for base in alone.bases] == ["main"]
    assert {base.name for base in guided.bases} == {"main", "guide"}
    assert {component.name for component, _ in guided._components} >= {"autoguidance", "euler"}
    assert "autoguidance" not in {component.name for component, _ in alone._components}


def test_an_absent_reference_is_named_and_can_be_fetched(read, monkeypatch):
    text = LOADED.replace("few_images: true}}}}", "few_images: true}}, reference: statistics}}")
    file = WeightsFile("statistics.npz", "https://example.org/statistics.npz")
    reference = Reference("statistics", file, 50_000, "digits", (1, 8, 8), ("inception",))
    monkeypatch.setitem(registry()._references, "statistics", reference)
    needs = Needs.of_whole(read(text))
    extractor = "weights-inception-2015-12-05-6726825d.pth"
    assert [file.name for file in needs.published_files()] == ["published-8.bin", extractor, "statistics.npz"]
    (fault,) = (fault for fault in needs.absent_files() if fault.startswith("statistics.npz"))
    assert fault.startswith("statistics.npz: the reference statistics is not here. Address: https://example.org/statistics.npz; ")
    assert not any("statistics.npz" in fault for fault in needs.absent_files(only_brought=True))
    cache.path(file).parent.mkdir(parents=True)
    cache.path(file).write_bytes(b"")
    assert not any("statistics.npz" in fault for fault in needs.absent_files())
    assert str(cache.path(file)) in needs.lacking_data()[-1]
    np.savez(cache.path(file), arr_0=np.zeros((2, 8, 8, 3), np.uint8))
    assert needs.lacking_data()[-1].endswith("statistics.npz: no file of statistics, and the reference statistics names one")


def test_a_published_file_that_several_bases_share_is_named_once():
    board = load_board(Path(__file__).parents[2] / "leaderboards" / "imagenet256-ar")
    faults = Needs.of_whole(board).absent_weights()
    assert len([fault for fault in faults if "vae_ch160v4096z32.pth: not here" in fault]) == 1
    assert len(faults) == 11 + 3  # eleven VAR, their tokenizer, and the two files of MaskGIT
