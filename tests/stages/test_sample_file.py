"""A file of samples grows by chunks, and goes on from those that are whole."""

import json

import pytest
import torch

from harness.errors import Diverged, UserError
from harness.images.quantise import to_uint8
from harness.interfaces import Batch
from harness.sampling.drawing import DrawnSamples
from harness.stages import example_sets
from harness.stages.example_sets import SAMPLES
from harness.stages.sample_file import CHUNKS, SampleFile, SampleLayout
from harness.weights import state_dicts

IMAGES = SampleLayout(draws=2, n=6, shape=(3, 4, 4), is_bytes=True, is_labelled=True)
POINTS = SampleLayout(draws=1, n=6, shape=(2,), is_bytes=False, is_labelled=False)


def whole(layout, draw):
    x = torch.randn(layout.n, *layout.shape, generator=torch.Generator().manual_seed(draw))
    return Batch(x, torch.arange(layout.n) if layout.is_labelled else None)


def add(file, draw, *starts, size=2):
    for start in starts:
        file.add(draw, start, DrawnSamples(whole(file.layout, draw)[start : start + size], evaluations=7), seconds=0.5)


def test_images_are_kept_as_the_bytes_that_metrics_see(tmp_path):
    file = SampleFile.open(tmp_path / "work", IMAGES, "a")
    for draw in range(2):
        add(file, draw, 0, 2, 4)
    file.hand_over(tmp_path / SAMPLES)
    for draw in range(2):
        expected = to_uint8(whole(IMAGES, draw).x)
        assert torch.equal(torch.cat(list(example_sets.stored_images(tmp_path / SAMPLES, draw).batches(4))), expected)
        assert torch.equal(to_uint8(example_sets.read_draw(tmp_path / SAMPLES, draw).x), expected)
        assert file.sha256(draw) == state_dicts.sha256({"x": expected})
    assert example_sets.draw_labels(tmp_path / SAMPLES, 1).tolist() == list(range(6))


def test_points_stay_as_they_were_drawn_and_keep_the_hash_of_older_versions(tmp_path):
    file = SampleFile.open(tmp_path / "work", POINTS, "a")
    add(file, 0, 0, 2, 4)
    x = whole(POINTS, 0).x
    assert torch.equal(example_sets.read_draw(file.path, 0).x, x)
    assert file.sha256(0) == state_dicts.sha256({"x": x})
    assert file.root_mean_square(0) == pytest.approx(float((x.double() ** 2).mean().sqrt()), rel=1e-12)
    assert file.nfe(0) == 3 * 7 / 6


def test_what_is_whole_is_there_when_the_file_is_opened_again(tmp_path):
    add(SampleFile.open(tmp_path, IMAGES, "a"), 0, 0, 2)
    again = SampleFile.open(tmp_path, IMAGES, "a")
    assert sorted(again.chunks) == [(0, 0), (0, 2)]
    assert torch.equal(example_sets.read_draw(again.path, 0).x[:4], to_uint8(whole(IMAGES, 0).x[:4]).float() / 127.5 - 1)


@pytest.mark.parametrize(
    ("layout", "identity"), [(IMAGES, "b"), (IMAGES._replace(n=7), "a"), (IMAGES._replace(is_bytes=False), "a")]
)
def test_samples_of_other_settings_weights_or_code_are_begun_anew(tmp_path, layout, identity):
    add(SampleFile.open(tmp_path, IMAGES, "a"), 0, 0, 2)
    assert not SampleFile.open(tmp_path, layout, identity).chunks


@pytest.mark.parametrize("cut", [1, 40])
def test_a_line_that_a_kill_has_cut_is_drawn_again(tmp_path, cut):
    add(SampleFile.open(tmp_path, IMAGES, "a"), 0, 0, 2)
    (tmp_path / CHUNKS).write_text((tmp_path / CHUNKS).read_text()[:-cut])
    again = SampleFile.open(tmp_path, IMAGES, "a")
    if cut > 1:  # without its end the last line is whole: all that is missing is the line break
        assert sorted(again.chunks) == [(0, 0)]
        add(again, 0, 2)
    assert sorted(SampleFile.open(tmp_path, IMAGES, "a").chunks) == [(0, 0), (0, 2)]
    assert all(json.loads(line[line.index("{") :]) for line in (tmp_path / CHUNKS).read_text().splitlines())


def test_a_cost_that_was_changed_is_no_chunk(tmp_path):
    add(SampleFile.open(tmp_path, IMAGES, "a"), 0, 0, 2)
    (tmp_path / CHUNKS).write_text((tmp_path / CHUNKS).read_text().replace('"evaluations":7', '"evaluations":8'))
    assert not SampleFile.open(tmp_path, IMAGES, "a").chunks


def test_a_chunk_that_the_disk_has_lost_is_drawn_again_with_those_after_it(tmp_path):
    file = SampleFile.open(tmp_path, IMAGES, "a")
    add(file, 0, 0, 2, 4)
    with file.path.open("r+b") as content:
        content.seek(example_sets.draw_rows(file.path, 0).offset + 3 * 48)
        content.write(b"\x00\x01\x02")
    assert sorted(SampleFile.open(tmp_path, IMAGES, "a").chunks) == [(0, 0)]


@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_a_damaged_file_is_begun_anew(tmp_path, content):
    file = SampleFile.open(tmp_path, IMAGES, "a")
    add(file, 0, 0)
    file.path.write_bytes(content)
    anew = SampleFile.open(tmp_path, IMAGES, "a")
    assert (anew.chunks, anew.path != file.path) == ({}, True)
    assert example_sets.draw_rows(anew.path, 1).shape == (6, 3, 4, 4)


def test_a_process_that_was_given_up_cannot_write_into_the_file_that_another_one_began(tmp_path):
    given_up = SampleFile.open(tmp_path, IMAGES, "a")
    add(given_up, 0, 0)
    (tmp_path / CHUNKS).unlink()  # as a folder shows it that tells of new files late
    other = SampleFile.open(tmp_path, IMAGES, "a")
    with pytest.raises(UserError, match="No such file"):
        add(given_up, 0, 2)
    assert not other.chunks
    assert sorted(SampleFile.open(tmp_path, IMAGES, "a").chunks) == []


def test_images_that_are_not_finite_are_no_samples(tmp_path):
    file = SampleFile.open(tmp_path, IMAGES, "a")
    with pytest.raises(Diverged, match="not finite"):
        file.add(0, 0, DrawnSamples(Batch(torch.full((2, 3, 4, 4), float("nan")), torch.arange(2)), 0), seconds=0.0)
    assert not file.chunks
