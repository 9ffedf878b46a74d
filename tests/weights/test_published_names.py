"""The lists of names that plugins bring: they are the published ones, and networks are compared with them as with files."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.components import Model
from harness.errors import PluginFault, UserError
from harness.plugins import registry
from harness.presets import PublishedNames
from harness.weights.published_names import check_names, listed, unlisted_parts

ROOT = Path(__file__).parents[2]
GOLDEN = {path.name.removesuffix(".keys.json.gz"): path for path in (ROOT / "tests" / "golden").glob("*/*.keys.json.gz")}
PRESETS = registry().presets
LISTED = [name for name, preset in PRESETS.items() if preset.names]
WITHOUT_A_LIST = {"maskgit-v2-384-base", "maskgit-v2-256-tiny"}


def built(preset):
    model = registry().get(Model, preset.model, where="test")
    with torch.device("meta"):
        return model, model.create(preset.config, preset.spec)


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/*/published_names/*.json.gz")), ids=lambda path: path.name)
def test_a_list_is_the_published_one(path):
    golden = json.loads(gzip.decompress(GOLDEN[path.name.removesuffix(".json.gz")].read_bytes()))
    assert json.loads(gzip.decompress(path.read_bytes())) == (golden.get("keys") or golden["params"])


@pytest.mark.parametrize(
    "name", ["sftpg-celeba64", "ddpm-cifar10", "edm-cifar10-cond-vp", "edm2-img64-s", "var-d16", "maskgit-v2-256-base"]
)
def test_a_published_network_of_each_family_has_the_names_and_shapes_of_its_files(name):
    check_names(PRESETS[name], *built(PRESETS[name]))


@pytest.mark.long
@pytest.mark.parametrize("name", LISTED)
def test_a_published_network_has_the_names_and_shapes_of_its_files(name):
    check_names(PRESETS[name], *built(PRESETS[name]))


def test_every_network_with_a_published_file_has_a_list_of_names_for_it():
    lacking = {name for name, preset in PRESETS.items() if preset.files and "" in unlisted_parts(preset)}
    assert lacking == WITHOUT_A_LIST
    assert {part for preset in PRESETS.values() if preset.files for part in unlisted_parts(preset)} == {"", "vae"}


def test_another_width_is_told_by_the_names_that_differ():
    preset = PRESETS["edm-cifar10-uncond-vp"]
    narrow = replace(preset, config=preset.config.model_copy(update={"model_channels": 64}))
    with pytest.raises(UserError, match=r"edm-cifar10-32x32-uncond-vp.json.gz: not of this edm-unet: \d+ another shape: model\."):
        check_names(narrow, *built(narrow))


def test_a_missing_level_is_told():
    preset = PRESETS["var-d16"]
    shallow = replace(preset, names=(PRESETS["var-d20"].names[0], preset.names[1]))
    with pytest.raises(UserError, match=r"var_d20.json.gz: not of this var: \d+ unexpected: blocks.16"):
        check_names(shallow, *built(preset))


def test_number_types_and_shapes_are_those_of_the_list():
    tensors = listed(PRESETS["var-d16"].names[0])
    assert (tuple(tensors["lvl_1L"].shape), tensors["lvl_1L"].dtype, tensors["lvl_1L"].is_meta) == ((1, 680), torch.int64, True)


@pytest.mark.parametrize(
    "resource", ["harness_edm:published_names/absent.json.gz", "nowhere:list.json.gz", "harness_edm:presets.py"]
)
def test_a_list_that_is_not_there_is_the_plugins_fault(resource):
    with pytest.raises(PluginFault, match=f"list of published names {resource} cannot be read"):
        listed(PublishedNames(resource))
