"""`harness samples`: the images that a cell was measured on, byte for byte, in files that say number and label."""

import numpy as np
import pytest
import torch
from PIL import Image

from harness.stages.example_sets import SAMPLES, draw_labels, stored_images
from harness.stages.record import record_path
from harness.store import outputs
from harness.store.records import load_record, save_record
from harness.training.task import BANK
from harness.weights import state_dicts


@pytest.fixture
def keep(filled):
    """Put samples into the runs folder, and say so in a record; returns the record's path and the file of the samples."""

    def call(tensors):
        cell = next(cell for cell in filled.board.cells if cell.name == "ddpm/ddo/s0")
        hashes = [state_dicts.sha256({"x": tensors["x.0"]})]

        def make(folder):
            state_dicts.save(tensors, folder / SAMPLES)
            return {"samples_sha256": "s" * 64, "draws_sha256": hashes}

        output = outputs.once(filled.runs, "sample", cell.sample_key, make)
        path = record_path(cell, filled.runs)
        save_record(load_record(path).model_copy(update={"samples_sha256": "s" * 64}), path)
        return path, output.folder / SAMPLES

    return call


def images(n, channels):
    return torch.randint(256, (n, channels, 4, 5), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["bytes", "floats"])
def test_the_images_are_the_bytes_that_extractors_saw(filled, keep, channels, form):
    x = images(6, channels)
    path, file = keep(
        {"x.0": x if form == "bytes" else x.float() / 127.5 - 1 + 1e-3, "labels.0": torch.tensor([3, 1, 4, 1, 5, 9])}
    )
    (filled.folder.parents[1] / "out").mkdir()
    done = filled("samples", path, "--png", "out/images", "--n", "5")
    assert (done.returncode, done.stdout) == (0, "out/images\n"), done.stderr
    assert "wrote out/images: 5 images of ddpm/ddo/s0 of small as they were measured, from the first of draw 0" in done.stderr
    written = sorted((filled.folder.parents[1] / "out" / "images").iterdir())
    assert [file.name for file in written] == [f"00000{i}-{label}.png" for i, label in enumerate([3, 1, 4, 1, 5])]
    (measured,) = stored_images(file, 0).batches(10)
    assert draw_labels(file, 0).tolist() == [3, 1, 4, 1, 5, 9]
    for image, path in zip(measured, written, strict=False):
        read = np.asarray(Image.open(path))
        assert np.array_equal(read, image.permute(1, 2, 0).numpy() if channels == 3 else image[0].numpy())


def test_without_labels_the_files_are_numbered(filled, keep):
    path, _ = keep({"x.0": images(2, 3)})
    assert filled("samples", path, "--png", "images").returncode == 0
    assert sorted(file.name for file in (filled.folder.parents[1] / "images").iterdir()) == ["000000.png", "000001.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--png", "there"], "there: is there already; remove it first, or give another name"),
        (["--png", "new.npz"], "new.npz: names an array; images go into a folder"),
        (["--png", "new", "--n", "3"], "--n 3: draw 0 of "),
        (["--png", "new", "--draw", "1"], "has no draw 1"),
    ],
)
def test_what_cannot_be_written_is_one_line(filled, keep, arguments, message):
    path, _ = keep({"x.0": images(2, 3)})
    (filled.folder.parents[1] / "there").mkdir()
    done = filled("samples", path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (filled.folder.parents[1] / "new").exists()


def test_points_are_no_images(filled, keep):
    path, _ = keep({"x.0": torch.zeros(3, 2)})
    done = filled("samples", path, "--png", "points")
    assert done.returncode == 2
    assert "points: samples of shape (2,) are no images" in done.stderr


def test_the_fakes_that_a_method_trained_on_are_images_too(filled, keep):
    path, _ = keep({"x.0": images(2, 3)})
    record = load_record(path)
    x = images(4, 1)

    def bank(folder):
        state_dicts.save({"x": x.float() / 127.5 - 1}, folder / BANK)
        return {}

    outputs.once(filled.runs, "bank", "c" * 24, bank)
    weights = {"w": torch.zeros(1)}

    def training(folder):
        state_dicts.save(weights, folder / "weights.safetensors")
        return {"weights_sha256": "e" * 64, "banks": ["c" * 24]}

    outputs.once(filled.runs, "finetune", "e" * 24, training)
    save_record(record.model_copy(update={"weights_sha256": "e" * 64}), path)
    done = filled("samples", path, "--png", "fakes", "--bank", "1", "--n", "3")
    assert done.returncode == 0, done.stderr
    assert "wrote fakes: 3 images of ddpm/ddo/s0 of small that its method trained on, from the first of bank 1" in done.stderr
    folder = filled.folder.parents[1] / "fakes"
    assert [np.asarray(Image.open(file)).tolist() for file in sorted(folder.iterdir())] == x[:3, 0].tolist()
    again = filled("samples", path, "--png", "others", "--bank", "2")
    assert (again.returncode, "has no bank 2; its banks have the numbers 1 to 1" in again.stderr) == (2, True)
