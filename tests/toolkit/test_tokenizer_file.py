"""A tokenizer's file: what is checked by its header alone, what by its bytes, and what each fault is called."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.errors import UserError
from harness.toolkit.tokenizer_file import TokenizerFile


class Tokenizer(nn.Module):
    """Two layers, one of which a user's setting sizes."""

    def __init__(self, codes=4):
        super().__init__()
        self.embedding = nn.Embedding(codes, 3)
        self.conv = nn.Linear(2, 2)


@pytest.fixture
def path(tmp_path):
    save_file({**Tokenizer().state_dict(), "loss.judge": torch.zeros(1)}, tmp_path / "tokenizer.safetensors")
    return tmp_path / "tokenizer.safetensors"


def file(path, sha256=None, ignored=("loss.",)):
    return TokenizerFile(path, sha256, f"model m: {path.name}", ignored)


def known(codes=4):
    return {"embedding.weight": (codes, 3)}


def test_a_file_of_the_tokenizer_passes_and_loads(path):
    file(path).check(known(), Tokenizer)
    tokenizer = Tokenizer()
    file(path).load(tokenizer)
    stored = Tokenizer()
    file(path).load(stored)
    assert all(torch.equal(value, stored.state_dict()[name]) for name, value in tokenizer.state_dict().items())


def test_a_setting_that_does_not_fit_is_named_before_any_other_difference(path):
    with pytest.raises(UserError, match=r"embedding\.weight is \(4, 3\), but they need \(5, 3\)"):
        file(path).check(known(5), lambda: Tokenizer(5))


def test_a_tensor_too_many_and_one_too_few_are_named(path):
    with pytest.raises(UserError, match=r"these settings: loss\.judge is \(1,\), but there is no such tensor"):
        file(path, ignored=()).check(known(), Tokenizer)

    def larger():
        tokenizer = Tokenizer()
        tokenizer.more = nn.Linear(1, 1, bias=False)
        return tokenizer

    with pytest.raises(UserError, match=r"more\.weight is not there, but they need \(1, 1\)"):
        file(path).check(known(), larger)


def test_the_tokenizer_is_made_without_memory_for_a_check(path):
    devices = []

    def make():
        tokenizer = Tokenizer()
        devices.append(tokenizer.conv.weight.device.type)
        return tokenizer

    file(path).check(known(), make)
    assert devices == ["meta"]


def test_the_hash_is_that_of_the_bytes(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file(path, digest).check(known(), Tokenizer)
    with path.open("r+b") as opened:  # another weight, the same header
        opened.seek(-1, 2)
        opened.write(b"\x01")
    file(path).check(known(), Tokenizer)
    for use in (lambda one: one.check(known(), Tokenizer), lambda one: one.load(Tokenizer())):
        with pytest.raises(UserError, match=f"tokenizer.safetensors has sha256 .*, not {digest}"):
            use(file(path, digest))


def test_a_missing_and_a_damaged_file_are_one_message_each(path, tmp_path):
    for use in (lambda one: one.check(known(), Tokenizer), lambda one: one.load(Tokenizer())):
        with pytest.raises(UserError, match=r"model m: nowhere\.safetensors cannot be read"):
            use(file(tmp_path / "nowhere.safetensors"))
    path.write_bytes(b"no tensors")
    with pytest.raises(UserError, match=r"model m: tokenizer\.safetensors cannot be read"):
        file(path).load(Tokenizer())


def test_loading_into_another_tokenizer_is_the_users_mistake_too(path):
    with pytest.raises(UserError, match="is not of a tokenizer with these settings"):
        file(path).load(Tokenizer(9))
