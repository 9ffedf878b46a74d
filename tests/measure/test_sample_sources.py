"""Sample sets as sources: by the folder that `harness run` wrote, by the record of a cell, and by a file alone."""

import json
import math
import os
import tempfile
from pathlib import Path

import pytest
import torch
from board_fixtures import fake_record
from safetensors.torch import save_file

from harness import UserError
from harness.errors import Diverged
from harness.measure.sample_sources import draws_in_file, is_stage_output, sample_set_of_record, stored_draws
from harness.store import outputs
from harness.store.manifests import MANIFEST
from harness.store.records import save_record

HASHES = ["h0", "h1"]


def draws(n=5, shape=(1, 8, 8)):
    """Two draws of images in [-1, 1], as a file of samples names them."""
    generator = torch.Generator().manual_seed(0)
    return {f"x.{draw}": torch.rand((n, *shape), generator=generator) * 2 - 1 for draw in (0, 1)}


@pytest.fixture
def stored(context):
    """Stores tensors as a stage of a run does; returns the folder."""

    def store(tensors, key="key", file="samples.safetensors", **facts):
        def make(folder):
            save_file(tensors, folder / file)
            return {"draws_sha256": HASHES, "samples_sha256": "all", **facts}

        return outputs.once(context.runs, "sample", key, make).folder

    return store


@pytest.fixture
def record_of(board, context):
    """Writes the record of a cell that was measured on a sample set; returns its path."""

    def write(samples_sha256):
        cell = board.cells[0]
        path = context.runs.record(board.name, cell.name, cell.key)
        save_record(fake_record(cell, samples_sha256=samples_sha256), path)
        return path

    return write


def test_each_draw_of_a_stored_set_is_a_source_identified_by_its_hash(stored):
    folder = stored(draws())
    assert is_stage_output(folder)
    assert not is_stage_output(folder.parent)
    sources = stored_draws(folder)
    assert [source.name for source in sources] == [f"{folder}, draw 0", f"{folder}, draw 1"]
    assert [source.identify(lambda _: None) for source in sources] == [{"generated": sha256} for sha256 in HASHES]
    (batch,) = sources[1].images.batches(10)
    expected = ((draws()["x.1"] + 1) * 127.5).round().to(torch.uint8)
    assert (batch.int() - expected.int()).abs().max() <= 1  # halves are rounded up here, and to even by torch
    assert batch.shape == (5, 1, 8, 8)


def test_points_are_no_images(stored):
    with pytest.raises(UserError, match=r"samples of shape \(2,\) are no images"):
        stored_draws(stored(draws(shape=(2,))))


def test_the_output_of_another_stage_is_no_sample_set(stored):
    with pytest.raises(UserError, match=r"is no sample set: it has no samples\.safetensors"):
        stored_draws(stored(draws(), file="weights.safetensors"))


def test_a_set_without_hashes_of_its_draws_is_one_message(stored):
    with pytest.raises(UserError, match="does not hold the hash of each draw"):
        stored_draws(stored(draws(), draws_sha256=None))


def test_a_record_leads_to_the_samples_that_it_was_measured_on(stored, record_of):
    stored(draws(), key="other", samples_sha256="other")
    folder = stored(draws(), key="mine", samples_sha256="mine")
    assert sample_set_of_record(record_of("mine")) == folder


def test_a_damaged_manifest_of_another_set_is_passed_over(stored, record_of):
    other = stored(draws(), key="a-damaged-one")
    (other / MANIFEST).write_text("{")
    also = stored(draws(), key="an-empty-one")
    (also / MANIFEST).write_text(json.dumps([]))
    folder = stored(draws(), key="mine", samples_sha256="mine")
    assert sample_set_of_record(record_of("mine")) == folder


def test_a_record_whose_samples_are_gone_is_one_message(stored, record_of):
    stored(draws(), samples_sha256="other")
    with pytest.raises(UserError, match="the samples of this record are not there"):
        sample_set_of_record(record_of("mine"))


def test_a_record_that_lies_in_no_runs_folder_is_one_message(board):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:  # /tmp/x.json has fewer folders above it than runs/records/b/x.json
        save_record(fake_record(board.cells[0]), Path(file.name))
        with pytest.raises(UserError, match="give a record in the runs folder that made them"):
            sample_set_of_record(Path(file.name))


def test_draws_in_a_file_alone_are_taken_in_the_order_of_their_numbers(tmp_path):
    path = tmp_path / "samples.safetensors"
    save_file({f"x.{draw}": torch.full((3, 1, 4, 4), draw / 10) for draw in (10, 2)} | {"labels.2": torch.zeros(3)}, path)
    sources = draws_in_file(path)
    assert [source.name for source in sources] == [f"{path}, draw 2", f"{path}, draw 10"]
    assert sources[0].identify(lambda _: None) != sources[1].identify(lambda _: None)


def test_a_file_without_draws_is_no_sample_set(tmp_path):
    save_file({"x": torch.zeros(3, 1, 4, 4), "x.first": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="no sample set: it has no tensors"):
        draws_in_file(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.tensor(1.0), r"x\.safetensors: x\.0 holds F32 values of shape \(\), and samples are floats"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.int64), "x.0 holds I64 values of shape"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.bool), "x.0 holds BOOL values of shape"),
        (torch.zeros(3, 1, 0, 8), r"no image in it: 3 of shape \(1, 0, 8\)"),
        (torch.zeros(0, 1, 8, 8), "no image in it: 0 of shape"),
        (torch.zeros(3), r"samples of shape \(\) are no images"),
    ],
)
def test_tensors_that_are_no_samples_are_one_message(tmp_path, tensor, message):
    save_file({"x.0": tensor}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=message):
        draws_in_file(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.٣", "x.²", "x.01", "x.", "x.-1", "x.9999999999", "x.1 "])
def test_a_draw_is_named_by_plain_digits(tmp_path, name):
    save_file({name: torch.zeros(3, 1, 8, 8)}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="no sample set: it has no tensors"):
        draws_in_file(tmp_path / "x.safetensors")


def test_a_pipe_is_no_sample_set(tmp_path):
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="a pipe or a device stands where a file must be"):
        draws_in_file(tmp_path / "x.safetensors")


def read(path):
    """Reads all images of the only draw; returns its notes."""
    (source,) = draws_in_file(path)
    source.identify(lambda _: None)
    return list(source.notes_of_images())


@pytest.mark.parametrize("scaled", [lambda x: (x + 1) * 127.5, lambda x: x * 1.6, lambda x: x.double() * 20])
def test_floats_of_another_range_are_refused_and_not_clamped(tmp_path, scaled):
    path, images = tmp_path / "x.safetensors", torch.zeros(9, 1, 4, 4)
    images[7] = torch.linspace(-1, 1, 16).view(1, 4, 4)
    save_file({"x.0": torch.cat([images[:7] * 0, scaled(images[7:])])}, path)
    with pytest.raises(UserError, match=rf"{path}, draw 0: image 7 has values outside of \[-1, 1\]: .* map \[0, 1\] by 2"):
        read(path)


def test_values_that_are_not_finite_are_told_as_such(tmp_path):
    save_file({"x.0": torch.tensor([0.5, -0.5, math.inf, math.nan]).view(1, 1, 2, 2)}, tmp_path / "x.safetensors")
    with pytest.raises(Diverged, match="not finite"):
        read(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("values", "notes"),
    [
        ([-1.0, 1.0001], []),
        ([-0.2, 0.3], []),
        ([0.0, 1.0], ["no value is below 0. Samples are taken as [-1, 1]; if these are in [0, 1], map them by 2 * x - 1"]),
        ([-1.0, 1.4], ["values from -1 to 1.4 are clamped to [-1, 1]"]),
        ([-1.25, 0.0], ["values from -1.25 to 0 are clamped to [-1, 1]"]),
    ],
)
def test_what_a_model_overshoots_by_is_clamped_and_remarked_on(tmp_path, values, notes):
    path = tmp_path / "x.safetensors"
    save_file({"x.0": torch.linspace(values[0], values[1], 16).view(1, 1, 4, 4)}, path)
    assert read(path) == [f"{path}, draw 0: {note}" for note in notes]


def test_bytes_have_no_range_to_remark_on(tmp_path):
    save_file({"x.0": torch.full((3, 1, 4, 4), 200, dtype=torch.uint8)}, tmp_path / "x.safetensors")
    assert read(tmp_path / "x.safetensors") == []


def test_samples_that_the_harness_wrote_are_taken_whatever_their_range(stored):
    folder = stored({"x.0": torch.full((3, 1, 4, 4), 7.0)}, draws_sha256=["h0"])
    assert read(folder / "samples.safetensors") == []
    (source,) = stored_draws(folder)
    assert all((batch == 255).all() for batch in source.images.batches(2))
