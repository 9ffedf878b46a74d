"""Arrays of images: streamed, checked by their headers, and refused when their values could mean two things."""

import numpy as np
import pytest
import torch

from harness import UserError
from harness.images import arrays
from harness.images.fingerprint import fingerprint
from harness.images.quantise import to_uint8

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)


def saved(path, *positional, compressed=False, **named):
    (np.savez_compressed if compressed else np.savez)(path, *positional, **named)
    return path


def all_of(images, size=4):
    return torch.cat(list(images.batches(size)))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_adms_layout_is_read_batch_by_batch(tmp_path, compressed, size):
    images = arrays.images(saved(tmp_path / "x.npz", PIXELS, np.arange(10), compressed=compressed))
    assert (images.n, images.shape) == (10, (3, 4, 5))
    assert torch.equal(all_of(images, size), torch.from_numpy(PIXELS).permute(0, 3, 1, 2))


def test_grey_images_need_no_axis_of_channels_and_a_single_array_no_name(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS[..., 0])
    assert torch.equal(all_of(arrays.images(tmp_path / "x.npy"))[:, 0], torch.from_numpy(PIXELS[..., 0]))
    assert arrays.images(saved(tmp_path / "x.npz", pictures=PIXELS, labels=np.arange(10))).n == 10


@pytest.mark.parametrize(("text", "low", "high"), [("0,1", 0, 1), ("-1,1", -1, 1), ("0,255", 0, 255)])
def test_floats_become_the_bytes_that_they_stand_for(tmp_path, text, low, high):
    floats = (PIXELS / 255 * (high - low) + low).astype(np.float32)
    images = arrays.images(saved(tmp_path / "x.npz", floats), text)
    assert torch.equal(all_of(images), torch.from_numpy(PIXELS).permute(0, 3, 1, 2))


def test_floats_between_two_bytes_are_rounded_as_samples_are(tmp_path):
    floats = np.random.default_rng(1).uniform(-1, 1, (5, 4, 5, 3)).astype(np.float32)
    images = arrays.images(saved(tmp_path / "x.npz", floats), "-1,1")
    assert torch.equal(all_of(images), to_uint8(torch.from_numpy(floats).permute(0, 3, 1, 2)))


def test_bad_floats_name_their_image(tmp_path):
    for value, message in ((np.nan, "image 7 has values that are not finite"), (1.5, r"image 7 has values outside of \[0, 1\]")):
        floats = (PIXELS / 255).astype(np.float32)
        floats[7, 1, 2, 0] = value
        with pytest.raises(UserError, match=message):
            fingerprint(arrays.images(saved(tmp_path / "x.npz", floats), "0,1"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (PIXELS.astype(np.float32), "float32 values; say what they mean: --range=0,255 or --range=0,1"),
        (PIXELS.astype(np.int64), r"int64 values; they are in \[0, 255\], so x.astype\(numpy.uint8\)"),
        (PIXELS.transpose(0, 3, 1, 2), r"shape \(10, 3, 4, 5\).*channels come last: transpose"),
        (PIXELS[:0], "no image in it"),
        (PIXELS.reshape(10, -1), r"shape \(10, 60\), and images are"),
        (np.array([{}, 1], object), "holds Python objects"),
    ],
)
def test_what_is_no_array_of_images_says_why(tmp_path, array, message):
    with pytest.raises(UserError, match=message):
        arrays.images(saved(tmp_path / "x.npz", array))


def test_files_without_images_say_what_they_have(tmp_path):
    with pytest.raises(UserError, match=r"no arr_0 with images.*a \(3,\), b \(2, 2\)"):
        arrays.images(saved(tmp_path / "x.npz", a=np.zeros(3), b=np.zeros((2, 2))))
    (tmp_path / "y.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"y\.npz: cannot be read as an \.npz"):
        arrays.images(tmp_path / "y.npz")


def test_damage_inside_is_named(tmp_path):
    path = saved(tmp_path / "x.npz", PIXELS)
    whole = bytearray(path.read_bytes())
    whole[400] ^= 255
    path.write_bytes(bytes(whole))
    with pytest.raises(UserError, match=r"x\.npz/arr_0: damaged"):
        fingerprint(arrays.images(path))
    np.save(tmp_path / "y.npy", PIXELS)
    (tmp_path / "y.npy").write_bytes((tmp_path / "y.npy").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"y\.npy: damaged: its header and its length"):
        fingerprint(arrays.images(tmp_path / "y.npy"))


def test_an_array_in_fortrans_order_is_read_whole_and_not_in_parts(tmp_path):
    matrix = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = arrays.stored(saved(tmp_path / "x.npz", sigma=matrix))["sigma"]
    np.testing.assert_array_equal(found.read(largest=1000), matrix)
    with pytest.raises(UserError, match="too large"):
        found.read(largest=47)
    with pytest.raises(UserError, match="Fortran's order"):
        list(found.blocks(1))


@pytest.mark.parametrize(
    ("high", "text", "hint"),
    [(1.0, "0,255", "0,1"), (1.0, "-1,1", "0,1")],
)
def test_a_range_that_is_wider_than_all_values_is_refused(tmp_path, high, text, hint):
    floats = np.random.default_rng(2).uniform(0, high, (5, 4, 5, 3)).astype(np.float32)
    images = arrays.images(saved(tmp_path / "x.npz", floats), text)
    with pytest.raises(UserError, match=rf"all values are in \[.*\], so --range {text} is hardly .*; say --range={hint}"):
        all_of(images)


def test_rounding_beyond_the_ends_of_a_range_is_no_fault(tmp_path):
    floats = (PIXELS / 255 * 2 - 1).astype(np.float32)
    floats[0, 0, 0] = 1 + 1e-6, -1 - 1e-6, 0
    found = all_of(arrays.images(saved(tmp_path / "x.npz", floats), "-1,1"))
    assert found[0, :, 0, 0].tolist() == [255, 0, 128]


def test_a_range_is_not_used_for_bytes(tmp_path):
    dark = PIXELS // 200
    assert torch.equal(
        all_of(arrays.images(saved(tmp_path / "x.npz", dark), "0,255")), torch.from_numpy(dark).permute(0, 3, 1, 2)
    )


def test_an_archive_with_two_possible_arrays_of_images_needs_arr_0(tmp_path):
    with pytest.raises(UserError, match=r"no arr_0 with images.*first \(10, 4, 5, 3\), second \(10, 4, 5, 3\)"):
        arrays.image_array(saved(tmp_path / "x.npz", first=PIXELS, second=PIXELS))
    assert arrays.image_array(saved(tmp_path / "y.npz", PIXELS, second=PIXELS)).member == "arr_0"


def test_bytes_after_the_array_are_damage(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    with (tmp_path / "x.npy").open("ab") as file:
        file.write(b"!")
    with pytest.raises(UserError, match=r"x\.npy: damaged: its header and its length"):
        all_of(arrays.images(tmp_path / "x.npy"))


def test_only_headers_are_read_before_the_first_batch(tmp_path):
    pixels = np.repeat(PIXELS, 100, axis=0)  # many times what a zip reads at once
    path = saved(tmp_path / "x.npz", pixels)
    content = path.read_bytes()
    place = content.index(pixels.tobytes())
    path.write_bytes(content[:place] + bytes(pixels.nbytes) + content[place + pixels.nbytes :])  # its checksum is wrong now
    images = arrays.images(path)
    assert (images.n, images.shape) == (1000, (3, 4, 5))
    with pytest.raises(UserError, match=r"x\.npz/arr_0: damaged: Bad CRC-32"):
        all_of(images)
