"""`convert`: any readable file becomes safetensors with the settings in its header, number for number."""

from pathlib import Path

import pytest
import torch

from harness.components import Model
from harness.errors import UserError
from harness.plugins import registry
from harness.weights.convert import convert, described_network, preset_network
from harness.weights.network_files import NetworkFile
from harness.weights.stored import read

GOLDEN = Path(__file__).parents[1] / "golden"


def same(first, second):
    assert set(first) == set(second)
    assert all(torch.equal(value, second[name]) and value.dtype == second[name].dtype for name, value in first.items())


@pytest.mark.parametrize("file", ["edm/pkl_edm_ddpmpp_cond_aug.pkl", "edm2/pkl_edm2_cond.pkl"])
def test_a_network_pickle_round_trips_with_its_settings(tmp_path, file):
    original, target = read(GOLDEN / file), tmp_path / "w.safetensors"
    convert([NetworkFile(GOLDEN / file)], target, None)
    stored = read(target)
    same(original.content, stored.content)
    assert described_network(stored) == described_network(original)
    convert([NetworkFile(target)], tmp_path / "again.safetensors", None)
    same(stored.content, read(tmp_path / "again.safetensors").content)


@pytest.mark.parametrize("name", [name for name in registry().presets if "tiny" in name])
def test_a_checkpoint_of_every_family_round_trips_in_half_precision_too(tmp_path, name):
    network = preset_network(name)
    state = network.model.load()(network.config, network.spec).half().state_dict()
    torch.save({"model": state}, tmp_path / "w.pt")
    convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", network)
    stored = read(tmp_path / "w.safetensors")
    same(state, stored.content)
    assert described_network(stored) == network


def test_a_file_that_says_nothing_needs_a_preset(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="name it with --preset"):
        convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", None)


def test_what_does_not_fit_writes_nothing(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="not of this ddpm-unet"):
        convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", preset_network("ddpm-tiny-8"))
    assert [one.name for one in tmp_path.iterdir()] == ["w.pt"]


def test_models_that_are_listed_have_layouts_that_can_be_made():
    from harness.weights import network_files

    assert all(
        network_files.layout(one.component) for one in registry().all("model").values() if isinstance(one.component, Model)
    )
