"""Keys change with each thing that a result depends on, and with nothing else."""

import hashlib

import pytest

from harness.board.reading.load import load_board
from harness.store.keys import digest, file_sha256

BOARD = """\
title: Keys
dataset: {name: swiss-roll, train_size: 1000}
bases:
  small:
    model: {name: ddpm-mlp, steps: 4}
    pretrain: {method: mle, training: {images: 640, batch: 64}}
training: {images: 640, batch: 64}
methods:
  none:
  mle: {method: {name: mle, optimizer: {lr: 1.0e-4}}}
  ddo: {method: {name: ddo, beta: 1.0}}
seeds: [0, 1]
evaluation: {samples: 200, draws: 2, batch: 200}
metrics:
  sliced-w2: {explodes_above: 9.0}
curve: {metric: sliced-w2, points: 3, samples: 200}
"""


@pytest.fixture
def keys(tmp_path):
    """All keys of a board's cells, by "cell/stage"."""
    (tmp_path / "b").mkdir()

    def of(text=BOARD, plugins=None):
        (tmp_path / "b" / "board.yaml").write_text(text)
        board = load_board(tmp_path / "b", plugins=plugins)
        found = {"floor": board.floors[0].key}
        for cell in board.cells:
            found[f"{cell.name}/base"] = cell.base.key
            found[f"{cell.name}/finetune"] = cell.finetune_key
            found[f"{cell.name}/sample"] = cell.sample_key
            found[f"{cell.name}/record"] = cell.key
        return found

    return of


def changed(before, after):
    """The cells' stages with another key, without base and seed."""
    names = [name for name in before if before[name] != after[name]]
    return {name.removeprefix("small/").replace("/s0", "").replace("/s1", "") for name in names}


def stages(methods, *names):
    return {f"{method}/{name}" for method in methods for name in names}


ALL = ("none", "mle", "ddo")
TRAINED = ("mle", "ddo")
BEHIND_BASE = ("base", "finetune", "sample", "record")


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("title: Keys", "title: Others", set()),
    ("seeds: [0, 1]", "seeds: [0, 1]  # why", set()),
    ("beta: 1.0", "beta: 1", set()),
    ("  none:\n", "  none: {label: Base, note: as it is}\n", set()),
    ("sliced-w2: {", "sliced-w2: {label: W, shown_in: 1.0e-2, digits: 3, ", set()),
    ("curve:", "floor: {pairs: 10}\ncurve:", set()),
    ("curve:", "floor: {pairs: 11}\ncurve:", {"floor"}),
    ("lr: 1.0e-4", "lr: 2.0e-4", stages(["mle"], "finetune", "sample", "record")),
    ("beta: 1.0", "beta: 1.1", stages(["ddo"], "finetune", "sample", "record")),
    ("training: {images: 640, batch: 64}\nm", "training: {images: 1280, batch: 64}\nm",
     stages(TRAINED, "finetune", "sample", "record")),
    ("points: 3", "points: 4", stages(TRAINED, "finetune", "sample", "record")),
    ("steps: 4", "steps: 5", stages(ALL, *BEHIND_BASE)),
    ("train_size: 1000", "train_size: 1001", {"floor"} | stages(ALL, *BEHIND_BASE)),
    ("pretrain: {method: mle,", "pretrain: {seed: 1, method: mle,", stages(ALL, *BEHIND_BASE)),
    ("samples: 200, draws: 2", "samples: 201, draws: 2", {"floor"} | stages(ALL, "sample", "record")),
    ("batch: 200", "batch: 100", stages(ALL, "sample", "record") | stages(TRAINED, "finetune")),
    ("batch: 200", "batch: 10000", stages(ALL, "sample", "record") | stages(TRAINED, "finetune")),
    ("explodes_above: 9.0", "explodes_above: 8.0", stages(ALL, "record")),
    ("sliced-w2: {", "sliced-w2: {against: train, ", {"floor"} | stages(ALL, "record")),
    ("title: Keys", "protocol: 2\ntitle: Keys", stages(ALL, "record")),
])  # fmt: skip
def test_a_change_reaches_what_depends_on_it(keys, old, new, expected):
    assert old in BOARD
    assert changed(keys(), keys(BOARD.replace(old, new))) == expected


def test_another_method_or_seed_leaves_the_others_alone(keys):
    more = BOARD.replace("  none:\n", "  none:\n  neon:\n").replace("[0, 1]", "[5, 1, 0]")
    before, after = keys(), keys(more)
    assert {name: after[name] for name in before} == before


def test_seeds_share_what_does_not_depend_on_them(keys):
    found = keys()
    assert found["small/none/s0/base"] == found["small/ddo/s1/base"]
    assert found["small/none/s0/finetune"] == found["small/none/s1/finetune"]
    assert found["small/none/s0/sample"] != found["small/none/s1/sample"]
    assert found["small/ddo/s0/finetune"] != found["small/ddo/s1/finetune"]


def test_a_new_version_of_a_plugin_reaches_its_components_only(keys):
    from dataclasses import replace

    from harness.plugins import Registry

    newer = Registry()
    found = newer._components["method"]
    found["ddo"] = replace(found["ddo"], version="2/1")
    assert changed(keys(), keys(plugins=newer)) == stages(["ddo"], "finetune", "sample", "record")
    newer = Registry()
    found = newer._components["metric"]
    found["sliced-w2"] = replace(found["sliced-w2"], version="2/1")
    # The curve of trained cells uses it too.
    expected = {"floor", *stages(ALL, "record"), *stages(TRAINED, "finetune", "sample")}
    assert changed(keys(), keys(plugins=newer)) == expected


def test_digests_do_not_depend_on_order_and_depend_on_everything_else():
    assert digest(a=1, b={"x": [1, 2], "y": None}) == digest(b={"y": None, "x": [1, 2]}, a=1)
    others = [digest(a=1), digest(a=1.5), digest(a="1"), digest(a=None), digest(a=[1]), digest(b=1), digest(a=True)]
    assert len(set(others)) == len(others)
    assert all(len(found) == 24 for found in others)


def test_the_hash_of_a_file(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert file_sha256(tmp_path / "f") == hashlib.sha256(b"abc").hexdigest()
