"""Files of weights of every format are read as data, and nothing in a hostile or damaged one runs."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from harness.errors import UserError
from harness.weights import pickles
from harness.weights.stored import read

GOLDEN = Path(__file__).parents[1] / "golden"
TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}


def assert_same(found, expected):
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in expected.items())


def test_safetensors_come_with_the_header_that_convert_wrote(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path, {"harness": json.dumps({"model": "x"})})
    stored = read(path)
    assert_same(stored.content, TENSORS)
    assert (stored.format, stored.config) == ("safetensors", {"model": "x"})


@pytest.mark.parametrize("is_zip", [True, False])
def test_pytorch_files_of_both_formats_are_told_by_their_content(tmp_path, is_zip):
    path = tmp_path / "w.anything"
    torch.save({"state_dict": TENSORS, "step": 3}, path, _use_new_zipfile_serialization=is_zip)
    stored = read(path)
    assert stored.format == "pytorch"
    assert_same(stored.content["state_dict"], TENSORS)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"])
def test_a_diffusers_folder_gives_weights_and_settings(tmp_path, name):
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel", "sample_size": 8}')
    save_file(TENSORS, tmp_path / name) if name.endswith("safetensors") else torch.save(TENSORS, tmp_path / name)
    stored = read(tmp_path)
    assert_same(stored.content, TENSORS)
    assert (stored.format, stored.config["sample_size"]) == ("diffusers", 8)


def test_a_network_pickle_gives_tensors_class_and_arguments():
    stored = read(GOLDEN / "edm" / "pkl_edm_ddpmpp_cond_aug.pkl")
    assert stored.format == "nvidia"
    assert stored.config["class_name"] == "EDMPrecond"
    assert all(isinstance(value, torch.Tensor) for value in stored.content.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"", "no file of weights"), (b"hello world, a text", "no file of weights")],
)
def test_what_is_no_file_of_weights_says_so(tmp_path, content, message):
    path = tmp_path / "w.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(path)


def test_a_folder_without_weights_says_what_it_needs(tmp_path):
    with pytest.raises(UserError, match=r"needs config\.json and diffusion_pytorch_model"):
        read(tmp_path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_pytorch_files_of_the_new_format_stay_on_disk_until_a_tensor_is_used(tmp_path, monkeypatch, is_zip):
    calls, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: calls.append(options) or load(*arguments, **options))
    torch.save(TENSORS, tmp_path / "w.pt", _use_new_zipfile_serialization=is_zip)
    read(tmp_path / "w.pt")
    assert calls == [{"map_location": "cpu", "weights_only": True, "mmap": is_zip}]


def test_a_header_of_another_program_says_nothing_of_the_network(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors", {"format": "pt", "harness": "[1]"})
    assert read(tmp_path / "w.safetensors").config == {}


@pytest.mark.parametrize(("content", "kind"), [([1, 2], "list"), (torch.zeros(2), "Tensor"), (3, "int")])
def test_a_pytorch_file_without_names_says_what_it_holds(tmp_path, content, kind):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=rf"w\.pt: holds one {kind}, not tensors by name"):
        read(tmp_path / "w.pt")


def test_a_network_that_was_constructed_without_names_of_arguments_is_refused_with_its_file(tmp_path, monkeypatch):
    network = pickles.Persistent("Net", {"_init_args": (3,)})
    monkeypatch.setattr(pickles, "load", lambda _: {"ema": network})
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(UserError, match=r"net\.pkl: Net was constructed with arguments without names"):
        read(tmp_path / "net.pkl")


def test_the_settings_of_a_diffusers_folder_are_a_table_of_reasonable_size(tmp_path):
    save_file(TENSORS, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(UserError, match=r"config\.json: no table of settings"):
        read(tmp_path)
    (tmp_path / "config.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(UserError, match=r"config\.json: 1048577 bytes are no settings"):
        read(tmp_path)


# --- hostile and damaged files ---------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def nested(canary):
    return Call(eval, Call(str.format, "__import__('os').system('touch {}')", str(canary)))


HOSTILE = {
    "os.system": lambda canary: Call(os.system, f"touch {canary}"),
    "builtins.eval": lambda canary: Call(eval, f"open({str(canary)!r}, 'w')"),
    "nested": nested,
}


@pytest.mark.parametrize("call", HOSTILE)
@pytest.mark.parametrize("wrapped", ["zip", "legacy", "pickle", "inside the tensors"])
def test_a_hostile_file_of_any_format_is_refused_and_runs_nothing(tmp_path, call, wrapped):
    canary, path = tmp_path / "canary", tmp_path / "w.pkl"
    bad = HOSTILE[call](canary)
    if wrapped == "pickle":
        path.write_bytes(pickle.dumps({"ema": bad}))
    else:
        content = {**TENSORS, "x": bad} if wrapped == "inside the tensors" else bad
        torch.save(content, path, _use_new_zipfile_serialization=wrapped != "legacy")
    with pytest.raises(UserError, match=r"w\.pkl: "):
        read(path)
    assert not canary.exists()


def test_the_refusal_of_a_pytorch_file_names_what_it_would_call_and_not_how_to_run_it(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"x": Call(os.system, "true")}, path)
    with pytest.raises(UserError, match=r"refused: .*system") as error:
        read(path)
    assert "weights_only" not in str(error.value)


HUGE = b"\x8a\x06\x00\x00\x00\x00\x00\x01"
"""The opcode of the number 2^40."""


def zip_bomb(path, declares, instead):
    """A PyTorch file that declares a huge number in the place of a small one."""
    torch.save(TENSORS, path)
    old = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    with zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name.endswith("data.pkl"):
                assert declares in body
                body = body.replace(declares, instead, 1)
            new.writestr(name, body)


def test_a_storage_that_declares_more_than_it_holds_takes_no_memory(tmp_path):
    zip_bomb(tmp_path / "w.pt", b"K\x06", HUGE)
    try:
        assert_same(read(tmp_path / "w.pt").content, TENSORS)
    except UserError as error:
        assert "w.pt" in str(error)  # noqa: PT017 - both ends are good ones


def test_a_tensor_that_declares_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    zip_bomb(path, b"K\x02K\x03\x86", HUGE + b"K\x03\x86")
    with pytest.raises(UserError, match=r"w\.pt: cannot be read"):
        read(path)
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError):
        read(path)
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")
    with pytest.raises(UserError):
        read(path)


def test_headers_that_nest_without_end_are_refused(tmp_path):
    deep = "[" * 100_000
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path, {"harness": deep})
    with pytest.raises(UserError, match=r"w\.safetensors: cannot be read"):
        read(path)
    path.write_bytes(len(deep).to_bytes(8, "little") + b"{" + deep.encode()[1:])
    with pytest.raises(UserError, match=r"w\.safetensors: cannot be read"):
        read(path)
    (tmp_path / "config.json").write_text(deep)
    save_file(TENSORS, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(UserError, match=r"config\.json: cannot be read"):
        read(tmp_path)


def originals():
    """One small file of each format."""
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save(TENSORS, zipped)
    torch.save(TENSORS, legacy, _use_new_zipfile_serialization=False)
    from safetensors.torch import save

    network = (GOLDEN / "edm2" / "pkl_edm2_cond.pkl").read_bytes()
    return [zipped.getvalue(), legacy.getvalue(), save(TENSORS, {"harness": "{}"}), network]


ORIGINALS = originals()


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, len(ORIGINALS) - 1),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    kept=st.floats(0, 1),
)
@pytest.mark.filterwarnings("ignore")  # torch may warn of what damage it met
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path, which, changes, kept):
    content = bytearray(ORIGINALS[which])
    for place, byte in changes:
        content[int(place * len(content))] = byte
    path = tmp_path / "fuzzed"
    path.write_bytes(content[: max(20, int(kept * len(content)))] if kept < 0.5 else content)
    try:
        stored = read(path)
    except UserError as error:
        assert str(path) in str(error)  # noqa: PT017 - both ends are good ones
    else:
        numbers = sum(value.numel() for value in stored.content.values() if isinstance(value, torch.Tensor))
        assert numbers <= len(content)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from([b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{"]), rest=st.binary(max_size=200))
def test_random_bytes_are_read_or_refused_and_nothing_else(tmp_path, start, rest):
    path = tmp_path / "random"
    path.write_bytes(start + rest)
    with pytest.raises(UserError):
        read(path)
