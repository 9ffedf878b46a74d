"""NVIDIA's networks: their class, their arguments, and the state dict of their modules."""

import pickle
from pathlib import Path

import pytest
import torch
from pickle_opcodes import named, opcodes

from harness.weights import pickles
from harness.weights.pickles import Persistent, RefusedPickle

NETWORK = Path(__file__).parents[2] / "golden" / "edm" / "pkl_edm_ncsnpp_cond_oldlayout.pkl"


def test_a_network_has_its_class_arguments_and_tensors():
    network = pickles.network(pickles.load(NETWORK))
    assert network.class_name == "EDMPrecond"
    assert network.arguments["label_dim"] == 5
    weights = pickles.state_dict(network)
    assert weights["model.map_noise.freqs"].shape == (8,)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())


def test_the_embedded_source_is_not_kept():
    network = pickles.network(pickles.load(NETWORK))
    assert set(vars(network)) == {"class_name", "state"}
    assert "module_src" not in network.state


def test_a_file_without_a_network_says_so():
    with pytest.raises(RefusedPickle, match="no network is stored under 'ema'"):
        pickles.network({"ema": 3})


def test_modules_nested_in_themselves_are_refused():
    module = Persistent("Loop", {})
    module.state["_modules"] = {"again": module}
    with pytest.raises(RefusedPickle, match="nested more than"):
        pickles.state_dict(module)


def test_a_network_may_stand_alone_or_under_another_key():
    module = Persistent("Net", {})
    assert pickles.network(module) is module
    assert pickles.network({"net": module}, "net") is module


def test_arguments_are_those_with_names():
    assert Persistent("Net", {}).arguments == {}
    assert Persistent("Net", {"_init_args": (), "_init_kwargs": {"size": 32}}).arguments == {"size": 32}
    with pytest.raises(RefusedPickle, match="Net was constructed with arguments without names"):
        _ = Persistent("Net", {"_init_args": (32,)}).arguments
    with pytest.raises(RefusedPickle, match="Net has no table of constructor arguments"):
        _ = Persistent("Net", {"_init_kwargs": [32]}).arguments


def module(**state):
    return Persistent("Module", state)


def test_a_state_dict_is_the_one_that_torch_would_give():
    class Inner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.arange(2.0))
            self.register_buffer("kept", torch.ones(1))
            self.register_buffer("transient", torch.zeros(1), persistent=False)
            self.register_parameter("bias", None)

    real = torch.nn.Sequential(Inner(), torch.nn.ModuleDict({"x": Inner()}))

    def stand_in(real):
        inner = {name: stand_in(child) for name, child in real._modules.items()}
        return module(**{**vars(real), "_parameters": {k: v if v is None else v.detach() for k, v in real._parameters.items()},
                         "_buffers": dict(real._buffers), "_modules": inner})  # fmt: skip

    found = pickles.state_dict(stand_in(real))
    assert list(found) == list(real.state_dict())
    assert all(torch.equal(value, found[name]) for name, value in real.state_dict().items())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_parameters": [1]}, "^_parameters is no table"),
        ({"_modules": {"a": module(_buffers=3)}}, r"^a\._buffers is no table"),
        ({"_parameters": {"w": "text"}}, "^_parameters has 'w', which is str"),
        ({"_modules": {"a": torch.zeros(1)}}, "^_modules has 'a', which is Tensor"),
        ({"_buffers": {"b": module()}}, "^_buffers has 'b', which is Persistent"),
    ],
)
def test_a_damaged_table_is_named_with_its_module(state, message):
    with pytest.raises(RefusedPickle, match=message):
        pickles.state_dict(module(**state))


RECONSTRUCT = named("torch_utils.persistence", "_reconstruct_persistent_obj")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ([1], "no class"),
        ({"type": "function", "class_name": "Net", "state": {}}, "no class"),
        ({"type": "class", "class_name": 3, "state": {}}, "no class name or no state"),
        ({"type": "class", "class_name": "Net"}, "no class name or no state"),
    ],
)
def test_a_record_that_is_no_class_is_refused(meta, message):
    with pytest.raises(RefusedPickle, match=f"a persistence record is {message}|a persistence record has {message}"):
        pickles.loads(opcodes(RECONSTRUCT, pickle.dumps(meta, 2)[2:-1], b"\x85R"))


def test_a_record_gives_its_class_and_state_and_nothing_of_its_source():
    meta = {"type": "class", "version": 6, "module_src": "import os", "class_name": "Net", "state": {"_init_kwargs": {"a": 1}}}
    found = pickles.loads(opcodes(RECONSTRUCT, pickle.dumps(meta, 2)[2:-1], b"\x85R"))
    assert found == Persistent("Net", {"_init_kwargs": {"a": 1}})
