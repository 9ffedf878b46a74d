"""Samples are written as whole files, of the draw and number that are asked for."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from harness.errors import UserError
from harness.images.quantise import as_uint8
from harness.run.export import export_samples
from harness.run.kept import KeptExamples
from harness.weights import state_dicts
from harness.weights.tensor_rows import tensors


@pytest.fixture
def export(tmp_path):
    """Export samples to a path."""

    def call(x, name, n=None):
        state_dicts.save({"x": x}, tmp_path / "samples.safetensors")
        examples = KeptExamples("draw 0", tensors(tmp_path / "samples.safetensors")["x"], None)
        return export_samples(examples, tmp_path / name, n, where="r.json")

    return call


def shades(n, channels):
    """Images (n, channels, 2, 2), each of one shade, from -1 to 1."""
    return torch.linspace(-1, 1, n).view(-1, 1, 1, 1).expand(-1, channels, 2, 2).contiguous()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_images_are_png_files_in_their_order(export, tmp_path, channels, mode):
    assert export(shades(256, channels), "new/images") == 256
    with Image.open(tmp_path / "new" / "images" / "000200.png") as image:
        assert image.mode == mode
        assert set(np.asarray(image).flatten()) == {200}
    assert len(list((tmp_path / "new" / "images").iterdir())) == 256


def test_latents_are_an_array_of_floats(export, tmp_path):
    x = torch.randn(3, 4, 2, 2)
    export(x, "latents.npz", n=2)
    with np.load(tmp_path / "latents.npz") as arrays:
        assert np.array_equal(arrays["arr_0"], x[:2].numpy())


def test_the_members_of_an_archive_are_numpys_byte_for_byte(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.run.export.IMAGES_AT_ONCE", 7)
    x, labels = shades(20, 3), torch.arange(20)
    state_dicts.save({"x": x}, tmp_path / "samples.safetensors")
    examples = KeptExamples("draw 0", tensors(tmp_path / "samples.safetensors")["x"], labels)
    assert export_samples(examples, tmp_path / "ours.npz", 18, where="r.json") == 18
    with zipfile.ZipFile(tmp_path / "ours.npz") as archive:
        assert archive.namelist() == ["arr_0.npy", "arr_1.npy"]
        for name, array in (("arr_0", as_uint8(x[:18]).permute(0, 2, 3, 1).numpy()), ("arr_1", labels[:18].numpy())):
            expected = io.BytesIO()
            np.save(expected, np.ascontiguousarray(array))
            assert archive.read(f"{name}.npy") == expected.getvalue()


def test_few_images_are_in_memory_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.run.export.IMAGES_AT_ONCE", 10)
    state_dicts.save({"x": torch.zeros(2_000, 3, 16, 16)}, tmp_path / "samples.safetensors")
    examples = KeptExamples("draw 0", tensors(tmp_path / "samples.safetensors")["x"], None)
    tracemalloc.start()
    export_samples(examples, tmp_path / "images.npz", None, where="r.json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "images.npz").stat().st_size > 2_000 * 3 * 16 * 16
    assert peak < 500_000, "a third of the images' bytes"


def test_no_more_samples_than_there_are(export, tmp_path):
    with pytest.raises(UserError, match=r"^--n 4: draw 0 of r\.json has 3 samples$"):
        export(shades(3, 1), "images", n=4)
    assert not (tmp_path / "images").exists()


def test_what_is_there_is_not_overwritten(export, tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match="images: is there already"):
        export(shades(3, 1), "images")
