"""`harness convert`: any readable file of weights as safetensors, checked against its network."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.board.reading.load import load_board
from harness.components import Model
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.weights.convert import described_network
from harness.weights.stored import read

PRESET = "ddpm-tiny-8"
MODEL = ["w.pt", "w.safetensors", "--model", "ddpm-unet", "--shape", "1x8x8"]


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


def test_the_table_that_was_read_is_named_and_another_can_be_chosen(shell, folder, weights):
    other = {name: value + 1 for name, value in weights.items()}
    torch.save({"state_dict": other, "state_dict_ema": weights}, "w.pt")
    done = shell("convert", "w.pt", "a.safetensors", "--preset", PRESET)
    assert done.stderr.splitlines()[0] == "w.pt: the averaged weights 'state_dict_ema' were read, not 'state_dict'"
    assert all(load_file("a.safetensors")[name].equal(value) for name, value in weights.items())
    done = shell("convert", "w.pt", "b.safetensors", "--preset", PRESET, "--part", "state_dict")
    assert done.stderr.splitlines()[0] == "w.pt: the table 'state_dict' was read"
    assert all(load_file("b.safetensors")[name].equal(value) for name, value in other.items())


def test_the_table_of_a_parts_file_is_chosen_behind_a_hash_sign(shell, folder, weights):
    part = {name.removeprefix("temb."): value for name, value in weights.items() if name.startswith("temb.")}
    torch.save({name: value for name, value in weights.items() if not name.startswith("temb.")}, "rest.pt")
    torch.save({"a": part, "b": {name: value + 1 for name, value in part.items()}}, "temb.pt")
    done = shell("convert", "rest.pt", "w.safetensors", "--preset", PRESET, "--part", "temb=temb.pt")
    assert done.returncode == 2
    assert "temb.pt: 2 of its tables fit the network: 'a', 'b'" in done.stderr
    done = shell("convert", "rest.pt", "w.safetensors", "--preset", PRESET, "--part", "temb=temb.pt#a")
    assert done.returncode == 0, done.stderr
    assert all(load_file("w.safetensors")[name].equal(value) for name, value in weights.items())


def test_a_network_that_is_no_preset_is_named_by_a_boards_base(shell, folder):
    (base,) = load_board(folder).bases
    network = base.origin.model.component.create(base.origin.model.settings, DataSpec((2,)))
    torch.save(network.state_dict(), "mlp.pt")
    done = shell("convert", "mlp.pt", "mlp.safetensors", "--base", "leaderboards/small:ddpm")
    assert done.returncode == 0, done.stderr
    assert "numbers of ddpm-mlp" in done.stderr
    assert described_network(read(Path("mlp.safetensors"))).config == base.origin.model.settings


def test_a_network_that_is_no_preset_is_named_by_its_model_and_settings(shell, folder):
    model = registry().get(Model, "ddpm-mlp", where="test")
    config = model.config.model_validate({"width": 8})
    torch.save(model.create(config, DataSpec((2,))).state_dict(), "mlp.pt")
    done = shell("convert", "mlp.pt", "mlp.safetensors", "--model", "ddpm-mlp", "--set", "width=8", "--shape", "2")
    assert done.returncode == 0, done.stderr
    network = described_network(read(Path("mlp.safetensors")))
    assert (network.config, network.spec) == (config, DataSpec((2,)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w.pt", "w.pt2", "--preset", PRESET], "w.pt2: the file to write ends in .safetensors"),
        (["w.pt", "there.safetensors", "--preset", PRESET], "there.safetensors: is there already; remove it first"),
        (["w.pt", "w.safetensors"], "name it with --preset"),
        (["w.pt", "w.safetensors", "--preset", "ddpm-tiny"], "did you mean 'ddpm-tiny-8'?"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--model", "var"], "--model var: ddpm-tiny-8 is of the model ddpm-unet"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--part", "x="], "--part x=: write PART=FILE, e.g. tokenizer=vae.pth"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--part", "ema"], "w.pt: has no table of tensors called 'ema'; it has no"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--part", "a", "--part", "b"], "--part b: a is chosen already"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--base", "x:y"], "--preset, --base: give one of the two"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--set", "ch=8"], "--preset: leave --set, --shape and --classes out"),
        (["w.pt", "w.safetensors", "--preset", PRESET, "--classes", "3"], "--preset: leave --set, --shape and --classes out"),
        (["w.pt", "w.safetensors", "--base", "x:y", "--classes", "3"], "--base: leave --set, --shape and --classes out"),
        (["w.pt", "w.safetensors", "--classes", "3"], "--set, --shape, --classes: need --model NAME"),
        (["w.pt", "w.safetensors", "--model", "ddpm-unet", "--classes", "3"], "with --set or --classes it needs --shape too"),
        ([*MODEL, "--set", "ch=020"], "--set ch=020: YAML reads '020'"),
        ([*MODEL, "--set", "ch=1:30"], "--set ch=1:30: YAML reads '1:30' in base 60"),
        ([*MODEL, "--set", "ch=["], "--set ch=[: not valid YAML"),
        ([*MODEL, "--set", "ch=8", "--set", "ch=9"], "--set ch=9: ch is given twice"),
        (["w.pt", "w.safetensors", "--set", "ch=8"], "--set, --shape, --classes: need --model NAME"),
        (["w.pt", "w.safetensors", "--model", "ddpm-unet", "--set", "ch=8"], "with --set or --classes it needs --shape too"),
        (["w.pt", "w.safetensors", "--model", "ddpm-unet", "--set", "ch", "--shape", "1x8x8"], "--set ch: write KEY=VALUE"),
        (["w.pt", "w.safetensors", "--model", "ddpm-unet", "--shape", "1by8"], "--shape 1by8: write the sides"),
        (["w.pt", "w.safetensors", "--model", "ddpm-unet", "--set", "chh=8", "--shape", "1x8x8"], "did you mean 'ch'?"),
        (["w.pt", "w.safetensors", "--base", "leaderboards/small"], "--base leaderboards/small: write BOARD:BASE"),
        (["w.pt", "w.safetensors", "--base", "leaderboards/small:dppm"], "did you mean 'ddpm'?"),
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
