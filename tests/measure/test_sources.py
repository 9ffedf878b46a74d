"""A text becomes sources: what it is decides the reader, and a text that is nothing is told what would be."""

import shutil
import zipfile

import numpy as np
import pytest
import torch
from made_stores import made_store
from safetensors.torch import save_file

from harness import UserError
from harness.measure.reading_options import ReadingOptions
from harness.measure.sources import read_sources
from harness.store import outputs


@pytest.fixture
def folder(tmp_path, monkeypatch, write_folder, random_images):
    """The working directory, with the same images as a folder, a zip, an array and a file of two draws."""
    images = random_images(0, channels=3)
    samples = write_folder("samples", images)
    with zipfile.ZipFile(tmp_path / "samples.zip", "w") as file:
        for image in samples.iterdir():
            file.write(image, image.name)
    np.savez(tmp_path / "samples.npz", images.permute(0, 2, 3, 1).numpy())
    made_store(tmp_path / "store", images.numpy())
    floats = images.float() / 127.5 - 1
    save_file({"x.0": floats, "x.1": floats.clone()}, tmp_path / "samples.safetensors")
    np.savez(tmp_path / "statistics.npz", mu=np.zeros(6), sigma=np.eye(6))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text, context, **options):
    return read_sources(str(text), ReadingOptions(**options), context, where="SAMPLES")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("samples", ["folder of PNG images"]),
        ("./samples", ["folder of PNG images"]),
        ("samples.zip", ["zip of PNG images"]),
        ("store", ["store"]),
        ("samples.npz", [".npz array"]),
        ("samples.safetensors", ["sample set", "sample set"]),
        ("statistics.npz", ["statistics (an .npz of mu and sigma)"]),
        ("digits@1", ["dataset, held-out images, draw 1"]),
        ("{name: digits}@train", ["dataset, training images"]),
    ],
)
def test_a_text_is_read_as_what_it_is(folder, context, text, kinds):
    assert [source.kind for source in read(text, context)] == kinds


@pytest.mark.parametrize("name", ["samples.zip", "samples.npz", "samples.safetensors", "statistics.npz"])
def test_suffixes_are_read_in_any_case(folder, context, name):
    kinds = [source.kind for source in read(name, context)]
    (folder / name).rename(folder / name.upper())
    assert [source.kind.lower() for source in read(name.upper(), context)] == [kind.lower() for kind in kinds]


def test_the_same_images_have_one_identity_however_they_are_stored(folder, context):
    texts = ("samples", "samples.zip", "samples.npz", "samples.safetensors")
    identities = [source.identify(lambda _: None) for text in texts for source in read(text, context)]
    assert all(identity == identities[0] for identity in identities)


def test_a_stored_sample_set_is_found_by_its_folder_and_by_its_file(folder, context):
    def make(scratch):
        shutil.copy("samples.safetensors", scratch)
        return {"draws_sha256": ["first", "second"]}

    stored = outputs.once(context.runs, "sample", "key", make).folder
    for path in (stored, stored / "samples.safetensors"):
        identities = [source.identify(lambda _: None) for source in read(path, context)]
        assert identities == [{"generated": "first"}, {"generated": "second"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "SAMPLES: is empty, and not taken for this folder; write . for that"),
        ("  ", "SAMPLES: is empty"),
        ("nowhere", "SAMPLES nowhere: no such file or folder, and no dataset; datasets: "),
        ("digitz@train", "SAMPLES digitz@train: no such file or folder, and no dataset; did you mean 'digits'? datasets: "),
        ("./digits", "SAMPLES ./digits: no such file or folder"),
        ("samples/0000.png", "SAMPLES samples/0000.png: a .png is nothing that is read here; give a folder or a .zip"),
        ("plain", "SAMPLES plain: a file without a suffix is nothing that is read here"),
        ("record.json", "record.json: damaged"),
    ],
)
def test_a_text_that_is_nothing_of_that_is_told_what_would_be(folder, context, text, message):
    (folder / "plain").write_text("")
    (folder / "record.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        read(text, context)
    assert message in str(caught.value)


def test_a_path_that_is_called_like_a_dataset_is_asked_about(folder, context):
    shutil.move("samples", "digits")
    with pytest.raises(UserError, match=r"SAMPLES digits: is a dataset and a path; write \./digits for the path"):
        read("digits", context)
    assert read("./digits", context)[0].kind == "folder of PNG images"
    assert read(folder / "digits", context)[0].kind == "folder of PNG images"
    assert read("digits@0", context, images=10)[0].n == 10  # no path is called so


def test_a_path_that_may_not_be_looked_at_is_one_message(folder, context, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.measure.sources.folder", refuse)
    with pytest.raises(UserError, match="SAMPLES samples: cannot be read: Permission denied; change its permissions"):
        read("samples", context)


def test_the_range_of_floats_is_handed_on(folder, context):
    np.save("floats.npy", torch.rand((5, 8, 8), generator=torch.Generator().manual_seed(0)).numpy())
    with pytest.raises(UserError, match="say what they mean"):
        read("floats.npy", context)
    assert read("floats.npy", context, value_range="0,1")[0].n == 5
