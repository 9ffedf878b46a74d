"""`convert`: any readable file becomes safetensors with the settings in its header, number for number."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.components import Model
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.weights import network_files
from harness.weights.convert import Network, convert, described_network, preset_network
from harness.weights.layouts import Layout
from harness.weights.network_files import NetworkFile
from harness.weights.stored import read

GOLDEN = Path(__file__).parents[1] / "golden"


def assert_same(first, second):
    assert set(first) == set(second)
    assert all(torch.equal(value, second[name]) and value.dtype == second[name].dtype for name, value in first.items())


@pytest.mark.parametrize("file", ["edm/pkl_edm_ddpmpp_cond_aug.pkl", "edm2/pkl_edm2_cond.pkl"])
def test_a_network_pickle_round_trips_with_its_settings(tmp_path, file):
    original, target = read(GOLDEN / file), tmp_path / "w.safetensors"
    convert([NetworkFile(GOLDEN / file)], target, None)
    stored = read(target)
    assert_same(original.content, stored.content)
    assert described_network(stored) == described_network(original)
    convert([NetworkFile(target)], tmp_path / "again.safetensors", None)
    assert_same(stored.content, read(tmp_path / "again.safetensors").content)


@pytest.mark.parametrize("name", [name for name in registry().presets if "tiny" in name])
def test_a_checkpoint_of_every_family_round_trips_in_half_precision_too(tmp_path, name):
    network = preset_network(name)
    state = network.model.create(network.config, network.spec).half().state_dict()
    torch.save({"model": state}, tmp_path / "w.pt")
    convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", network)
    stored = read(tmp_path / "w.safetensors")
    assert_same(state, stored.content)
    assert described_network(stored) == network


def test_a_file_that_says_nothing_needs_a_preset(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="name it with --preset"):
        convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", None)


def test_what_does_not_fit_writes_nothing(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="not of this ddpm-unet"):
        convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", preset_network("ddpm-tiny-8"))
    assert [path.name for path in tmp_path.iterdir()] == ["w.pt"]


@pytest.mark.parametrize("name", registry().names("model"))
def test_every_installed_model_has_a_layout_that_can_be_made(name):
    assert isinstance(network_files.layout(registry().get(Model, name, where="this test")), Layout)


def with_header(path, **changes):
    """A file whose header describes a preset's network, with changes."""
    network = preset_network("ddpm-tiny-8")
    header = {"model": network.model.name, "settings": network.config.model_dump(mode="json"), "spec": {"shape": [1, 8, 8]}}
    save_file({"x": torch.zeros(1)}, path, {"harness": json.dumps({**header, **changes})})
    return read(path)


def test_a_header_need_not_say_what_has_a_default(tmp_path):
    network = described_network(with_header(tmp_path / "w.safetensors"))
    assert network.config == preset_network("ddpm-tiny-8").config
    assert network.spec == DataSpec((1, 8, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"widht": 3}}, "its header describes no network: widht: is no known key"),
        ({"settings": 3}, "its header describes no network: settings: must be a mapping of keys, got 3"),
        ({"spec": {"classes": 2}}, r"its header describes no network: spec\.shape is missing"),
        ({"spec": {"shape": [1, -8, 8]}}, "its header describes no network: spec: no data have the shape"),
        ({"spec": {"shape": [2], "classes": -3}}, "its header describes no network: spec: no data have the shape"),
        ({"schema": 99}, r"its header is of another version of the harness \(schema 99, known: 1\); upgrade, or convert"),
        ({"schema": "x"}, "its header is of another version of the harness"),
        ({"schema": 0}, "its header is of another version of the harness"),
        ({"spec": None}, "its header describes no network: spec"),
        ({"model": 3}, "its header describes no network: model"),
        ({"model": "dpm-unet"}, "no model is called 'dpm-unet'; did you mean 'ddpm-unet'"),
    ],
)
def test_a_damaged_header_is_one_message(tmp_path, changes, message):
    with pytest.raises(UserError, match=rf"^.*w\.safetensors: {message}"):
        described_network(with_header(tmp_path / "w.safetensors", **changes))


def test_a_network_that_cannot_be_built_is_one_line(tmp_path, monkeypatch):
    def build(self):
        raise RuntimeError("no such size\nand a long story")

    with_header(tmp_path / "w.safetensors")
    monkeypatch.setattr(Network, "build", build)
    with pytest.raises(UserError, match=r"w\.safetensors: describes a ddpm-unet that cannot be built: no such size$"):
        convert([NetworkFile(tmp_path / "w.safetensors")], tmp_path / "out.safetensors", None)


def test_the_header_names_the_files_by_name_and_hash(tmp_path):
    network = preset_network("ddpm-tiny-8")
    torch.save(network.model.create(network.config, network.spec).state_dict(), tmp_path / "w.pt")
    convert([NetworkFile(tmp_path / "w.pt")], tmp_path / "w.safetensors", network)
    config = read(tmp_path / "w.safetensors").config
    sha256 = hashlib.sha256((tmp_path / "w.pt").read_bytes()).hexdigest()
    assert (config["schema"], config["source"]) == (1, [{"file": "w.pt", "sha256": sha256}])


def test_a_network_is_compared_without_memory_for_its_numbers():
    network = preset_network("ddpm-tiny-8").build()
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_an_unknown_preset_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"^--preset: no preset is called 'ddpm-tiny-9'; did you mean 'ddpm-tiny-8'"):
        preset_network("ddpm-tiny-9")
