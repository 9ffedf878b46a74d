"""The checks of presets and layouts find each false word about a network that is as its preset says otherwise."""

import dataclasses

import pytest
import torch
from pydantic import Field
from torch import nn

from harness.components import Model
from harness.config import Config, NoConfig
from harness.interfaces import DataSpec
from harness.presets import Preset, WeightsFile
from harness.testing import presets
from harness.testing.presets import check_layout, check_preset
from harness.weights.layouts import Layout, unwrapped


class WidthConfig(Config):
    width: int = Field(3, ge=1, description="hidden units")


class Net(nn.Module):
    def __init__(self, config, spec):
        super().__init__()
        self.tokenizer = nn.Linear(2, config.width).requires_grad_(False)
        self.layer = nn.Linear(config.width, 2)


class OwnNames(Layout):
    """Files with the network's own names."""


class Doubles(Layout):
    def tensors(self, stored, network, part):
        return {name: 2 * value for name, value in unwrapped(stored).items()}


class DescribesAll(Layout):
    def describe(self, stored):
        return WidthConfig(), DataSpec((2,))


FILE = WeightsFile("net.pt", "https://example.org/net.pt", "ab" * 32, part="tokenizer")
PRESET = Preset("net-wide", "net", WidthConfig(width=5), DataSpec((2,)), parameters=12, files=(FILE,))


@pytest.fixture
def model(target):
    return Model(
        "net", build=target(Net), layout=target(OwnNames), summary="net", config=WidthConfig, provides=frozenset(), sampler="draw"
    )


def test_a_preset_whose_every_word_is_true_passes(model):
    check_preset(PRESET, model)


@pytest.mark.parametrize(("changes", "message"), [
    ({"parameters": 13}, "says 13 parameters, and the network has 12"),
    ({"model": "other"}, "is of the model other, not of net"),
    ({"config": NoConfig()}, "config is a NoConfig, and net takes WidthConfig"),
    ({"name": "net.wide"}, "a name has lower case, words joined by hyphens, and no dot"),
])  # fmt: skip
def test_a_false_word_about_the_network_is_found(model, failure, changes, message):
    assert message in failure(check_preset, dataclasses.replace(PRESET, **changes), model)


@pytest.mark.parametrize(("changes", "message"), [
    ({"name": "folder/net.pt"}, "'folder/net.pt' is no plain file name"),
    ({"address": "example.org/net.pt"}, "the address 'example.org/net.pt' is no URL"),
    ({"sha256": "AB" * 32}, "the sha256 of net.pt is no 64 lower-case hex digits"),
    ({"part": "decoder"}, "no tensor of the network begins with decoder., the part in net.pt"),
])  # fmt: skip
def test_a_false_word_about_a_file_is_found(model, failure, changes, message):
    network = model.create(PRESET.config, PRESET.spec)
    presets.check_weights_file(WeightsFile("net.pt"), network, where="here")
    assert message in failure(presets.check_weights_file, dataclasses.replace(FILE, **changes), network, where="here")


def test_a_layout_that_keeps_the_rules_passes_and_others_are_found(model, target, failure):
    check_layout(model)
    doubled = dataclasses.replace(model, layout=target(Doubles))
    assert "reads other values from the network's own file, plain: " in failure(check_layout, doubled)
    describing = dataclasses.replace(model, layout=target(DescribesAll))
    assert "describes a file of another family" in failure(check_layout, describing)
    assert "is no class derived from Layout" in failure(check_layout, dataclasses.replace(model, layout=target(torch.nn.Linear)))
    assert failure(check_layout, dataclasses.replace(model, layout="")).startswith("net names no layout")
