"""`harness export`: what a board's run kept of a cell, taken out as files that the harness and others read."""

import json
from pathlib import Path

import numpy as np
import pytest
from in_process import run_in_this_process
from PIL import Image
from safetensors import safe_open

from harness.images.quantise import to_uint8
from harness.store.records import load_record
from harness.weights import state_dicts

IMAGES = """\
title: Tiny
dataset: digits
bases:
  edm:
    model: {name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: [], is_conditional: true}
    pretrain: {method: mle, training: {images: 32, batch: 16}}
    sampler: {name: heun, steps: 2}
methods: {mle: }
training: {images: 32, batch: 16}
seeds: [0]
evaluation: {samples: 20, draws: 2, batch: 20}
floor: {pairs: 1}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""
LOADED = IMAGES.replace(
    "    pretrain: {method: mle, training: {images: 32, batch: 16}}\n", "    weights: ../../out/edm.safetensors\n"
)
POINTS = """\
title: Points
dataset: {name: swiss-roll, train_size: 100}
bases:
  ddpm: {model: {name: ddpm-mlp, steps: 2, width: 8}, pretrain: {method: mle, training: {images: 32, batch: 16}}}
methods: {none: }
training: {images: 32, batch: 16}
seeds: [0]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 1}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


@pytest.fixture
def run(shell, monkeypatch):
    """Run a board in this process; the result is the record of its only cell."""

    run_in_this_process(monkeypatch)

    def call(board):
        (shell.folder / "board.yaml").write_text(board)
        done = shell("run", "leaderboards/small")
        assert done.returncode == 0, done.stderr
        cells = [path for path in shell.runs.records("small").glob("*.json") if not path.name.startswith("floor__")]
        return max(cells, key=lambda path: path.stat().st_mtime_ns)

    return call


def test_a_network_and_its_images_come_out_of_a_run_and_go_into_the_next(shell, run):
    path = run(IMAGES)
    record = load_record(path)
    (shell.folder.parents[1] / "out").mkdir()
    done = shell("export", path, "--weights", "out/edm.safetensors", "--samples", "out/images", "--n", "7", "--draw", "1")
    assert (done.returncode, done.stdout) == (0, "out/edm.safetensors\nout/images\n"), done.stderr
    assert "numbers of edm-unet, as edm/mle/s0 of small left them" in done.stderr
    weights = state_dicts.load(shell.folder.parents[1] / "out" / "edm.safetensors")
    assert state_dicts.sha256(weights) == record.weights_sha256
    (file,) = shell.runs.root.glob("stages/sample/*/samples.safetensors")
    with safe_open(file, framework="pt") as tensors:
        x, labels = tensors.get_tensor("x.1"), tensors.get_tensor("labels.1")
    images = sorted((shell.folder.parents[1] / "out" / "images").iterdir())
    assert [image.name for image in images] == [f"{number:06}.png" for number in range(7)]
    assert all(np.array_equal(np.asarray(Image.open(image)), to_uint8(x)[i, 0].numpy()) for i, image in enumerate(images))

    assert shell("export", path, "--samples", "out/all.npz", "--draw", "1").returncode == 0
    with np.load("out/all.npz") as arrays:
        assert np.array_equal(arrays["arr_0"], to_uint8(x).permute(0, 2, 3, 1).numpy())
        assert np.array_equal(arrays["arr_1"], labels.numpy())

    # The file says which network it is of, and a board starts from it.
    converted = shell("convert", "out/edm.safetensors", "out/again.safetensors")
    assert converted.returncode == 0, converted.stderr
    second = load_record(run(LOADED))
    assert second.base_weights_sha256 == record.weights_sha256


def test_points_come_out_as_an_array(shell, run):
    path = run(POINTS)
    refused = shell("export", path, "--samples", "points", "--weights", "early.safetensors")
    assert refused.returncode == 2
    assert not Path("early.safetensors").exists(), "a fault is found before anything is written"
    assert "--bank are about samples" in shell("export", path, "--weights", "early.safetensors", "--n", "3").stderr
    assert "points: samples of shape (2,) are no images; `harness export --samples NAME.npz` writes them" in refused.stderr
    done = shell("export", path, "--samples", "points.npz", "--weights", "mlp.safetensors")
    assert done.returncode == 0, done.stderr
    with np.load("points.npz") as arrays:
        assert (list(arrays), arrays["arr_0"].shape, arrays["arr_0"].dtype) == (["arr_0"], (20, 2), np.float32)
    with safe_open("mlp.safetensors", framework="pt") as tensors:
        header = json.loads(tensors.metadata()["harness"])
    assert (header["model"], header["spec"]["shape"]) == ("ddpm-mlp", [2])
    assert header["source"][0]["cell"] == "ddpm/none/s0"

    stages = shell.runs.root / "stages"
    for stage, option, what in (("finetune", "--weights", "weights"), ("sample", "--samples", "samples")):
        (stages / stage).rename(stages / f"{stage}-away")
        gone = shell("export", path, option, "gone.safetensors" if stage == "finetune" else "gone.npz")
        assert gone.returncode == 2
        assert f"the {what} (sha256 " in gone.stderr
        assert "are not in the runs folder" in gone.stderr
    assert not list(shell.folder.parents[1].glob("gone*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "export: give --weights FILE, --samples FOLDER, or both"),
        (["--weights", "w.pt"], "w.pt: the file of weights ends in .safetensors"),
        (["--weights", "there.safetensors"], "there.safetensors: is there already"),
        (["--samples", "there.safetensors"], "there.safetensors: is there already"),
        (["--weights", "w.safetensors"], "the weights (sha256 "),
        (["--samples", "new"], "the samples (sha256 "),
    ],
)
def test_what_cannot_be_exported_is_one_line(filled, arguments, message):
    (filled.folder.parents[1] / "there.safetensors").write_bytes(b"")
    done = filled("export", filled.record("ddpm/ddo/s0"), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_record_of_a_floor_has_nothing_to_export(filled):
    done = filled("export", filled.floor(), "--weights", "w.safetensors")
    assert done.returncode == 2
    assert "the record of a floor, which has neither a network nor samples" in done.stderr
