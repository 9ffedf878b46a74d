"""A tokenizer's file is checked by its header before any work, and every way in which it does not fit is one message."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.errors import UserError
from harness.paths import BoardPath
from harness.toolkit.tokenizer_file import TokenizerFile, check_pinned

WHERE = "model tokens: tokenizer.weights"


class Tokenizer(nn.Module):
    def __init__(self, codes=4, size=2):
        super().__init__()
        self.codes, self.out = nn.Embedding(codes, size), nn.Linear(size, 1, bias=False)


@pytest.fixture
def path(tmp_path):
    """The file of a tokenizer with a discriminator beside it, as some published files are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = Tokenizer().state_dict()
    save_file({**state, "loss.discriminator": torch.zeros(9)}, tmp_path / "tokenizer.safetensors")
    return tmp_path / "tokenizer.safetensors"


def file(path, *, sha256=None, ignored=("loss.",)):
    return TokenizerFile(path, sha256, WHERE, ignored)


def message(action, *arguments):
    with pytest.raises(UserError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value).strip()
    return str(caught.value)


def test_a_file_that_fits_is_checked_and_loaded(path):
    known = {"codes.weight": (4, 2)}
    file(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()).check(known, Tokenizer)
    tokenizer = Tokenizer()
    tokenizer.codes.weight.data.zero_()
    file(path).load(tokenizer)
    assert tokenizer.codes.weight.abs().sum() > 0


def test_checking_builds_no_weights_and_reads_no_tensor_unless_there_is_a_hash(path, monkeypatch):
    devices = []

    def make():
        tokenizer = Tokenizer()
        devices.append(tokenizer.codes.weight.device.type)
        return tokenizer

    monkeypatch.setattr("pathlib.Path.read_bytes", lambda self: pytest.fail(f"{self} is read"))
    file(path).check({}, make)
    assert devices == ["meta"]


def test_shapes_that_users_know_are_told_first(path):
    assert message(file(path).check, {"codes.weight": (8, 2)}, lambda: pytest.fail("not built")) == (
        f"{WHERE} does not belong to these settings: codes.weight is (4, 2), but they need (8, 2)"
    )
    assert "has no tensor 'encoder.weight'" in message(file(path).check, {"encoder.weight": (1,)}, Tokenizer)


@pytest.mark.parametrize(("make", "expected"), [
    (lambda: Tokenizer(size=3), "codes.weight is (4, 2), but they need (4, 3)"),
    (lambda: nn.Embedding(4, 2), "codes.weight is (4, 2), but there is no such tensor"),
    (lambda: nn.Sequential(Tokenizer()), "0.codes.weight is not there, but they need (4, 2)"),
])  # fmt: skip
def test_all_other_tensors_must_be_those_of_the_tokenizer(path, make, expected):
    assert message(file(path).check, {}, make) == f"{WHERE} is not of a tokenizer with these settings: {expected}"


def test_tensors_that_are_ignored_are_named_by_their_beginning(path):
    assert "loss.discriminator is (9,), but there is no such tensor" in message(file(path, ignored=()).check, {}, Tokenizer)


def test_another_file_than_the_hash_says_is_refused(path):
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = f"{WHERE} has sha256 {actual}, not {'0' * 64}"
    assert message(file(path, sha256="0" * 64).check, {}, Tokenizer) == expected
    assert message(file(path, sha256="0" * 64).load, Tokenizer()) == expected


def test_one_changed_byte_of_a_weight_is_another_file_though_the_header_is_the_same(path):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("r+b") as opened:
        opened.seek(-1, 2)
        opened.write(b"\x01")
    file(path).check({}, Tokenizer)
    assert "has sha256" in message(file(path, sha256=sha256).check, {}, Tokenizer)


def test_a_file_that_is_missing_or_damaged_is_refused(path, tmp_path):
    for action in (lambda: file(tmp_path / "none").check({}, Tokenizer), lambda: file(tmp_path / "none").load(Tokenizer())):
        assert message(action).startswith(f"{WHERE} cannot be read: [Errno 2] No such file")
    path.write_bytes(path.read_bytes()[:20])
    for action in (lambda: file(path).check({}, Tokenizer), lambda: file(path).load(Tokenizer())):
        assert message(action).startswith(f"{WHERE} cannot be read: ")


def test_loading_what_was_never_checked_is_refused_too(path):
    with pytest.raises(UserError, match=f"{WHERE} is not of a tokenizer with these settings: "):
        file(path).load(Tokenizer(codes=8))


def test_settings_that_name_a_file_must_have_its_hash_and_the_message_tells_it(path):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    check_pinned(None, None)
    check_pinned(BoardPath(str(path)), sha256)
    with pytest.raises(ValueError, match=f"the content of {path}, and no hash pins it.*`sha256: {sha256}`"):
        check_pinned(BoardPath(path.name, str(path.parent)), None)  # as boards have it: from the board's folder
    with pytest.raises(ValueError, match=r"as `sha256sum` prints it \(it cannot be read here: No such file"):
        check_pinned(BoardPath("nowhere.safetensors", str(path.parent)), None)
    with pytest.raises(ValueError, match="`weights` names none: name the file, or leave sha256 out"):
        check_pinned(None, sha256)
