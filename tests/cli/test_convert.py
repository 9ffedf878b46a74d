"""`harness convert`: any readable file of weights as safetensors, checked against its network."""

import pytest
import torch
from safetensors.torch import load_file

from harness.components import Model
from harness.plugins import registry

PRESET = "ddpm-tiny-8"


@pytest.fixture(scope="module")
def weights():
    """Tensors of the smallest preset."""
    preset = registry().preset(PRESET, where="test")
    model = registry().get(Model, preset.model, where="test")
    torch.manual_seed(0)
    return model.create(preset.config, preset.spec).state_dict()


@pytest.fixture
def source(folder, weights):
    """A file of PyTorch in the working directory, which does not say which network it is of."""
    torch.save(weights, "w.pt")
    return "w.pt"


def test_a_file_becomes_safetensors_number_for_number(shell, source, weights):
    done = shell("convert", source, "w.safetensors", "--preset", PRESET)
    assert (done.returncode, done.stdout) == (0, "w.safetensors\n")
    numbers = sum(value.numel() for value in weights.values())
    assert done.stderr == f"wrote w.safetensors: {len(weights)} tensors, {numbers:,} numbers of ddpm-unet\n"
    written = load_file("w.safetensors")
    assert set(written) == set(weights)
    assert all(written[name].equal(value) for name, value in weights.items())


def test_what_was_converted_says_which_network_it_is_of(shell, source):
    shell("convert", source, "w.safetensors", "--preset", PRESET)
    again = shell("convert", "w.safetensors", "again.safetensors", "--model", "ddpm-unet")
    assert again.returncode == 0, again.stderr
    assert "numbers of ddpm-unet" in again.stderr


def test_a_part_may_stand_in_a_file_of_its_own(shell, folder, weights):
    # Its names there lack the name of the part, as a tokenizer's do that was published alone.
    part = {name.removeprefix("temb."): value for name, value in weights.items() if name.startswith("temb.")}
    assert part
    torch.save({name: value for name, value in weights.items() if not name.startswith("temb.")}, "rest.pt")
    torch.save(part, "temb.pt")
    done = shell("convert", "rest.pt", "w.safetensors", "--preset", PRESET, "--part", "temb=temb.pt")
    assert done.returncode == 0, done.stderr
    written = load_file("w.safetensors")
    assert all(written[name].equal(value) for name, value in weights.items())
    alone = shell("convert", "rest.pt", "again.safetensors", "--preset", PRESET)
    assert alone.returncode == 2
    assert "temb." in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w.pt", "w.pt2", "--preset", PRESET], "w.pt2: the file to write ends in .safetensors"),
        (["w.pt", "there.safetensors", "--preset", PRESET], "there.safetensors: is there already; remove it first"),
        (["w.pt", "w.safetensors"], "name it with --preset"),
        (["w.pt", "w.safetensors", "--preset", "ddpm-tiny"], "did you mean 'ddpm-tiny-8'?"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--model", "var"], "--model var: ddpm-tiny-8 is of the model ddpm-unet"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--part", "x"], "--part x: write PART=FILE, e.g. tokenizer=vae.pth"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--part", "=x"], "--part =x: write PART=FILE"),
        (["w.pt", "w.safetensors", "--preset", "edm-tiny-8"], "not of this edm-unet"),
        (["no.pt", "w.safetensors", "--preset", PRESET], "no.pt"),
    ],
)
def test_what_cannot_be_converted_writes_nothing(shell, source, arguments, message):
    (shell.folder.parent.parent / "there.safetensors").write_bytes(b"")
    done = shell("convert", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (shell.folder.parent.parent / "w.safetensors").exists()
