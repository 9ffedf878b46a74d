"""Files of torch are inspected before torch reads them: what they declare is bounded by what they have."""

import collections
import pickle
import struct
import time
import zipfile

import pytest
import torch
from pickle_opcodes import named, opcodes, text

from harness.errors import UserError
from harness.weights import torch_files

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}


def archive_of(path, data_pkl, compression=zipfile.ZIP_STORED, *, mode="w", **members):
    """An archive such as torch.save writes, with any pickle in it. In mode `a` it stands behind what the file holds."""
    with zipfile.ZipFile(path, mode, compression) as archive:
        archive.writestr("archive/data.pkl", data_pkl)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/version", b"3\n")
        for name, content in members.items():
            archive.writestr(f"archive/data/{name}", content)
    return path


def storage_id(count, key="0", kind="FloatStorage"):
    number = b"\x8a\x09" + struct.pack("<q", count) + b"\0" if count < 2**62 else b"\x8a\x09" + count.to_bytes(9, "little")
    return b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + number + b"tQ"


def tensor_of(size, stride, count=4):
    rest = b"".join(pickle.dumps(part, 2)[2:-1] for part in (0, size, stride, False))
    made = named("torch._utils", "_rebuild_tensor_v2") + b"(" + storage_id(count) + rest
    return b"\x80\x02}" + text("x") + made + named("collections", "OrderedDict") + b")RtRs."


def refusal(path):
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        torch_files.load(path)
    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict(),
        {"weight": torch.nn.Parameter(torch.ones(3)), "step": 3, "names": ["a", ("b", None)], "lr": 1e-3, "set": {1, 2}},
        {"view": torch.arange(12.0)[2:8:2], "transposed": torch.arange(6).reshape(2, 3).T, "empty": torch.zeros(0, 3)},
        {"complex": torch.ones(2, dtype=torch.complex64), "bool": torch.tensor([True]), "dtype": torch.float16, "c": 1j},
        {"repeated": torch.ones(1).expand(4), "device": torch.device("cpu"), "size": torch.Size([2])},
        {"counted": collections.Counter("aab"), "bytes": b"abc", "bytearray": bytearray(b"abc")},
    ],
)
def test_what_torch_saves_is_read(tmp_path, content, is_zip):
    path = tmp_path / "w.pt"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    found = torch_files.load(path)
    assert isinstance(found, dict)
    assert list(found) == list(content)
    for name, value in content.items():
        same = torch.equal(found[name], value) if isinstance(value, torch.Tensor) else found[name] == value
        assert same, name


def test_numbers_of_the_newer_types_are_read(tmp_path):
    torch.save(
        {"small": torch.ones(2, dtype=torch.float8_e4m3fn), "unsigned": torch.ones(2, dtype=torch.uint16)}, tmp_path / "w.pt"
    )
    assert torch_files.load(tmp_path / "w.pt")["small"].float().tolist() == [1, 1]


def test_an_optimizer_is_read(tmp_path):
    network = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.5)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"optimizer": optimizer.state_dict()}, tmp_path / "w.pt")
    assert torch_files.load(tmp_path / "w.pt")["optimizer"]["param_groups"][0]["lr"] == 0.5


def test_packed_weights_are_read_and_not_mapped(tmp_path):
    torch.save(TENSORS, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as old, zipfile.ZipFile(tmp_path / "p.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    found = torch_files.load(tmp_path / "p.pt")
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("count", [2**40, 2**62, 2**63, 2**64 - 1, 5, 3])
def test_a_storage_that_declares_another_size_than_the_file_has_is_refused(tmp_path, count):
    archive_of(tmp_path / "w.pt", tensor_of((2,), (1,), count), **{"0": bytes(16)})
    assert "a storage declares" in refusal(tmp_path / "w.pt") or count >= 2**62


@pytest.mark.parametrize(
    ("size", "stride"), [((2**40,), (0,)), ((5,), (1,)), ((2**30, 2**30), (0, 0)), ((2,), (2**40,)), ((-1,), (1,))]
)
def test_a_tensor_that_stands_for_more_numbers_than_its_storage_is_refused(tmp_path, size, stride):
    archive_of(tmp_path / "w.pt", tensor_of(size, stride), **{"0": bytes(16)})
    assert "cannot be read: " in refusal(tmp_path / "w.pt")


def call(module, name, argument):
    return opcodes(named(module, name), argument, b"\x85R").replace(b"\x80\x04", b"\x80\x02")


@pytest.mark.parametrize(
    "content",
    [
        call("builtins", "bytearray", b"\x8a\x05" + (2**33).to_bytes(5, "little")),
        call("torch", "Tensor", b"\x8a\x05" + (2**33).to_bytes(5, "little")),
        call("torch", "FloatTensor", b"\x8a\x05" + (2**33).to_bytes(5, "little")),
        call("torch.storage", "UntypedStorage", b"\x8a\x05" + (2**33).to_bytes(5, "little")),
        b"\x80\x02}" + text("x") + b"(t" + b"2\x86" * 60 + b"K\x01s.",  # a key: a tuple of tuples of tuples, each twice the next
        b"\x80\x02}(t" + b"2\x86" * 60 + b"K\x01s.",
        b"\x80\x02." + b"x" * 100,
        b"",
    ],
)
@pytest.mark.parametrize("form", ["archive", "old", "old with an archive at its end"])
def test_a_pickle_that_swells_is_refused_at_once(tmp_path, content, form):
    path = tmp_path / "w.pt"
    if form == "archive":
        archive_of(path, content)
    else:
        prefix = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        path.write_bytes(prefix + content)
        if "archive" in form:  # torch tells the two formats apart by the first bytes, zipfile by the last ones
            archive_of(path, pickle.dumps({}, 2), zipfile.ZIP_DEFLATED, mode="a")
    refusal(path)


def test_a_bomb_in_the_archive_is_refused_before_it_is_unpacked(tmp_path):
    archive_of(tmp_path / "w.pt", b"\x80\x02" + b"]0" * 2_000_000 + b"N.", zipfile.ZIP_DEFLATED)
    assert "unpacks to 4,000," in refusal(tmp_path / "w.pt")


def test_an_archive_that_can_be_read_in_two_ways_is_refused(tmp_path):
    path = archive_of(tmp_path / "w.pt", pickle.dumps({}, 2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/DATA.PKL", pickle.dumps({"x": 1}, 2))
    assert "holds a name twice" in refusal(path)
    with zipfile.ZipFile(path := tmp_path / "v.pt", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
        archive.writestr("b/data.pkl", pickle.dumps({}, 2))
    assert "holds 2 pickles" in refusal(path)


def test_a_whole_module_is_refused_with_what_to_save_instead(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    assert "refused: it would use torch.nn.modules.linear.Linear; it holds a whole module: save its state_dict()" in refusal(
        tmp_path / "w.pt"
    )
