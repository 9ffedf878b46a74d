"""Files of weights are checked before any work: are they there, are they the right ones, do they fit network and data."""

import pickle

import pytest
import torch

from harness.board.bases import Loaded
from harness.components import Model
from harness.errors import Faults, UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.stages import loading
from harness.weights import cache, network_files
from harness.weights.network_files import Found

BOARD = """\
title: Loaded
dataset: digits
bases:
  loaded: {{weights: {{{weights}}}, sampler: {{name: heun, steps: 3}}}}
training: {{images: 64, batch: 32}}
methods: {{none: }}
seeds: [0]
evaluation: {{samples: 16, batch: 16}}
metrics: {{sliced-w2: }}
"""
DIGITS = DataSpec((1, 8, 8), classes=10, preview="images")


@pytest.fixture
def base(read_board):
    """The base of a board, given its entry `weights`; by default the tiny preset from ../w.pt."""

    def read(weights="preset: edm-tiny-8, file: ../w.pt"):
        (base,) = read_board(BOARD.format(weights=weights)).bases
        assert isinstance(base.origin, Loaded)
        return base

    return read


@pytest.fixture
def network():
    """The tiny preset's network."""
    preset = registry().presets["edm-tiny-8"]
    return registry().get(Model, preset.model, where="this test").create(preset.config, preset.spec)


@pytest.fixture
def save(network, tmp_path):
    """Write w.pt: the network's tensors, changed by the arguments; None leaves one out."""

    def write(**changed):
        tensors = {**network.state_dict(), **{name.replace("__", "."): value for name, value in changed.items()}}
        torch.save({"ema": {name: value for name, value in tensors.items() if value is not None}}, tmp_path / "w.pt")

    return write


def test_a_file_that_fits_passes_the_check_and_is_loaded(base, save, network):
    save()
    checked = base()
    loading.check(checked, checked.origin, DIGITS)
    target = type(network)(registry().presets["edm-tiny-8"].config, registry().presets["edm-tiny-8"].spec)
    loading.load(checked.origin, target)
    assert all(torch.equal(value, target.state_dict()[name]) for name, value in network.state_dict().items())


def test_checking_takes_no_memory_for_the_network(base, save, monkeypatch):
    save()
    devices = set()

    def watching(sources, model, network):
        devices.update(parameter.device.type for parameter in network.parameters())
        return Found({}, ())

    monkeypatch.setattr(network_files, "find", watching)
    checked = base()
    loading.check(checked, checked.origin, DIGITS)
    assert devices == {"meta"}


def test_every_absent_file_is_named(base):
    checked = base("preset: edm-tiny-8, file: ../w.pt, parts: {vae: ../vae.pt}")
    with pytest.raises(Faults) as caught:
        loading.check(checked, checked.origin, DIGITS)
    assert [path in fault for path, fault in zip(("w.pt", "vae.pt"), caught.value.faults, strict=True)] == [True, True]
    with pytest.raises(UserError, match=r"w\.pt; put it there"):
        loading.load(checked.origin, torch.nn.Linear(1, 1))


def test_a_file_of_another_hash_is_refused_when_checked_and_when_loaded(base, save):
    save()
    pinned = base(f"preset: edm-tiny-8, file: ../w.pt, sha256: {'a' * 64}")
    for refused in (
        lambda: loading.check(pinned, pinned.origin, DIGITS),
        lambda: loading.load(pinned.origin, torch.nn.Linear(1, 1)),
    ):
        with pytest.raises(UserError, match=r"board\.yaml:4: .*w\.pt: has sha256 .*, and the board or its preset says aaaa"):
            refused()


def test_a_file_that_has_changed_since_the_board_was_read_is_refused_in_a_job_that_starts_later(base, save, network, tmp_path):
    save()
    read = base()
    assert read.key
    queued = pickle.loads(pickle.dumps(read))
    before = cache.sha256(tmp_path / "w.pt")
    name = next(iter(network.state_dict()))
    save(**{name.replace(".", "__"): network.state_dict()[name] + 1})
    with pytest.raises(UserError) as caught:
        loading.load(queued.origin, network)
    assert str(caught.value) == (
        f"{tmp_path}/tiny/board.yaml:4: {tmp_path}/tiny/../w.pt: has changed since the board was read: it had sha256 {before} "
        f"then, and has {cache.sha256(tmp_path / 'w.pt')} now; run the board again, for its results to count as those of the new "
        "file, or put the earlier file back"
    )
    anew = base()
    assert anew.key != read.key
    loading.load(anew.origin, network)


def test_a_file_that_was_absent_when_the_board_was_read_is_refused(base, save, network):
    read = base()
    assert read.key
    save()
    with pytest.raises(UserError, match="has changed since the board was read: it was absent then, and has "):
        loading.load(read.origin, network)


def test_tensors_that_do_not_fit_are_named(base, save, network):
    name = next(iter(network.state_dict()))
    save(**{name.replace(".", "__"): torch.zeros(7)}, extra__weight=torch.zeros(2))
    checked = base()
    with pytest.raises(UserError, match=rf"1 unexpected: extra\.weight \(2\); 1 another shape: {name} is \(7\) in the file"):
        loading.check(checked, checked.origin, DIGITS)


def test_data_of_another_kind_than_the_presets_are_refused_before_the_file_is_asked_for(base):
    checked = base()
    message = r"^base loaded: edm-tiny-8 generates data of shape \(1, 8, 8\), and the dataset digits has \(3, 8, 8\)$"
    with pytest.raises(UserError, match=message):
        loading.check(checked, checked.origin, DataSpec((3, 8, 8), 3, "images"))


def test_the_same_files_are_read_once_by_a_process(base, save, monkeypatch):
    save()
    calls, find = [], network_files.find
    monkeypatch.setattr(network_files, "find", lambda *arguments: calls.append(arguments) or find(*arguments))
    for checked in (base(), base()):
        assert [remark.split("w.pt: ")[1] for remark in loading.check(checked, checked.origin, DIGITS)] == [
            "the averaged weights 'ema' were read"
        ]
    assert len(calls) == 1


def test_the_table_that_the_board_names_is_read(base, network, tmp_path):
    other = {name: value + 1 for name, value in network.state_dict().items()}
    torch.save({"model": other, "ema": network.state_dict()}, tmp_path / "w.pt")
    found, chosen = base(), base("preset: edm-tiny-8, file: ../w.pt, part: model")
    assert [checked.origin.files[0].table for checked in (found, chosen)] == ["", "model"]
    assert found.key != chosen.key
    loading.load(chosen.origin, network)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in other.items())
