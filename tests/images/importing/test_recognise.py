"""Every form of a set of images is recognised, and gives its images, labels and parts."""

import io
import pickle

import numpy as np
import pytest
import torch
from image_archives import (
    CIFAR_NAMES,
    celeba,
    channels_first,
    cifar_archive,
    cifar_binary_files,
    cifar_files,
    classes,
    edm_zip,
    encoded,
    photos,
    tarred,
    write,
    zipped,
)  # fmt: skip
from PIL import Image

from harness import UserError
from harness.images.importing import cifar
from harness.images.importing.recognise import found, source_of


def pixels_of(source, start=0):
    contents = [image.read() for image in source.images(start)]
    arrays = [np.asarray(Image.open(io.BytesIO(content))) if isinstance(content, bytes) else content for content in contents]
    return np.stack([array[None] if array.ndim == 2 else array for array in arrays])


def decoded(source, start=0):
    """The pixels of a source of image files, channels first."""
    return channels_first(np.stack([np.asarray(Image.open(io.BytesIO(image.read()))) for image in source.images(start)]))


def facts(source):
    return source.parts, source.classes, None if source.labels is None else source.labels.tolist()


@pytest.fixture(params=["folder", "zip"])
def packed(request, tmp_path):
    """A function that writes files as a folder or as a zip archive."""
    if request.param == "folder":
        return lambda contents: write(tmp_path / "set", contents)
    return lambda contents: zipped(tmp_path / "set.zip", contents)


def test_folders_of_classes(packed):
    files, pixels = classes(3)
    source = source_of(packed({**files, "notes.txt": b"x", "cat/.hidden.png": b"x"}))
    assert facts(source) == ((("all", 6),), ("cat", "dog"), [0, 0, 0, 1, 1, 1])
    assert np.array_equal(decoded(source), pixels)
    assert np.array_equal(decoded(source, 4), pixels[4:])
    assert [source.part_at(number) for number in (0, 5)] == ["all", "all"]


def test_flat_sets_have_no_labels(packed):
    pixels = photos(3)
    source = source_of(packed({f"{i}.png": encoded(image) for i, image in enumerate(pixels)}))
    assert facts(source) == ((("all", 3),), (), None)


def test_labels_can_be_left_out_or_demanded(packed):
    path = packed(classes(2)[0])
    assert source_of(path, labels="none").labels is None
    assert source_of(path, labels="folders").labels.tolist() == [0, 0, 1, 1]


def test_edms_archive_has_the_labels_of_its_dataset_json(tmp_path):
    pixels, labels = photos(4), [7, 0, 2, 7]
    source = source_of(edm_zip(tmp_path / "edm.zip", pixels, labels))
    assert facts(source) == ((("all", 4),), tuple(map(str, range(8))), labels)
    assert np.array_equal(decoded(source), channels_first(pixels))


def test_edms_archive_without_labels_has_none_and_its_numbered_folders_are_no_classes(tmp_path):
    assert source_of(edm_zip(tmp_path / "edm.zip", photos(1001, 1, 1))).labels is None


def test_edms_dataset_json_in_a_folder_goes_before_the_folders(tmp_path):
    files, _ = classes(1)
    labels = '{"labels": [["dog/001.png", 0], ["cat/000.png", 1]]}'
    assert source_of(write(tmp_path, {**files, "dataset.json": labels})).labels.tolist() == [1, 0]
    assert source_of(tmp_path, labels="folders").labels.tolist() == [0, 1]


def imagenet():
    names = [
        "train/n02/n02_1.JPEG",
        "train/n01/n01_1.JPEG",
        "val/ILSVRC2012_val_00000002.JPEG",
        "val/ILSVRC2012_val_00000001.JPEG",
    ]
    return {f"ILSVRC/Data/CLS-LOC/{name}": encoded(image, "JPEG") for name, image in zip(names, photos(4), strict=True)}


def test_imagenets_folders_with_validation_in_folders(packed):
    files = {name.replace("val/", "val/n02/"): content for name, content in imagenet().items()}
    assert facts(source_of(packed(files))) == ((("train", 2), ("validation", 2)), ("n01", "n02"), [0, 1, 1, 1])


@pytest.mark.parametrize("place", ["LOC_val_solution.csv", "ILSVRC/Data/CLS-LOC/LOC_val_solution.csv"])
def test_imagenets_folders_with_the_ground_truth_of_validation_beside_them(tmp_path, place):
    solution = "ImageId,PredictionString\nILSVRC2012_val_00000001,n02 1 2 3 4\nILSVRC2012_val_00000002,n01 1 2 3 4\n"
    write(tmp_path, {**imagenet(), place: solution})
    source = source_of(tmp_path if "/" not in place else tmp_path / "ILSVRC/Data/CLS-LOC")
    assert facts(source) == ((("train", 2), ("validation", 2)), ("n01", "n02"), [0, 1, 1, 0])
    assert [source.part_at(number) for number in range(4)] == ["train", "train", "validation", "validation"]


def test_imagenets_folders_with_a_file_of_labels(tmp_path):
    write(tmp_path / "set", imagenet())
    (tmp_path / "labels.txt").write_text("n02\nn01\n")
    assert source_of(tmp_path / "set", labels=str(tmp_path / "labels.txt")).labels.tolist() == [0, 1, 1, 0]


def test_arrays_with_and_without_labels(tmp_path):
    pixels = photos(5)
    np.savez(tmp_path / "adm.npz", arr_0=pixels, arr_1=np.array([3, 0, 1, 2, 3]))
    np.save(tmp_path / "plain.npy", pixels[..., 0])
    source = source_of(tmp_path / "adm.npz")
    assert facts(source) == ((("all", 5),), ("0", "1", "2", "3"), [3, 0, 1, 2, 3])
    assert np.array_equal(pixels_of(source, 2), channels_first(pixels)[2:])
    assert source_of(tmp_path / "adm.npz", labels="none").labels is None
    assert np.array_equal(pixels_of(source_of(tmp_path / "plain.npy")), pixels[:, None, :, :, 0])
    np.save(tmp_path / "labels.npy", np.arange(5))
    assert source_of(tmp_path / "plain.npy", labels=str(tmp_path / "labels.npy")).labels.tolist() == [0, 1, 2, 3, 4]


def test_arrays_of_floats_need_their_range(tmp_path):
    np.save(tmp_path / "floats.npy", photos(2) / 255)
    with pytest.raises(UserError, match=r"say what they mean: --range=0,255 or --range=0,1"):
        source_of(tmp_path / "floats.npy")
    source = source_of(tmp_path / "floats.npy", value_range="0,1")
    assert np.array_equal(pixels_of(source), channels_first(photos(2)))


@pytest.mark.parametrize("form", ["python", "bytes keys", "binary", "unpacked", "unpacked binary"])
def test_cifars_archives(tmp_path, form):
    files, pixels, labels = cifar_files()
    if form == "bytes keys":  # as Python 3 would write them anew
        files, _, _ = cifar_files(dump=lambda table: pickle.dumps({key.encode(): value for key, value in table.items()}, 2))
    if "binary" in form:
        files, pixels, labels = cifar_binary_files()
    if "unpacked" in form:
        path = write(tmp_path / "cifar-10-batches", files)
    elif form == "python":
        path = cifar_archive(tmp_path)
    else:
        path = tarred(tmp_path / "cifar-10-x.tar.gz", {f"cifar/{name}": content for name, content in files.items()}, "w:gz")
    source = source_of(path)
    assert facts(source) == ((("train", 15), ("test", 3)), tuple(CIFAR_NAMES), labels.tolist())
    assert np.array_equal(pixels_of(source), pixels)
    assert np.array_equal(pixels_of(source, 14), pixels[14:])


@pytest.mark.parametrize("is_unpacked", [False, True])
@pytest.mark.parametrize("is_named", [False, True])
def test_celebas_archive_has_the_parts_of_its_list(tmp_path, is_unpacked, is_named):
    pixels = celeba(tmp_path / "celeba", (2, 0, 1, 0), is_unpacked=is_unpacked)
    path = tmp_path / "celeba"
    if is_named and not is_unpacked:
        path = path / "img_align_celeba.zip"
    source = source_of(path)
    assert facts(source) == ((("train", 2), ("validation", 1), ("test", 1)), (), None)
    assert np.array_equal(decoded(source), channels_first(pixels[[1, 3, 2, 0]]))


def test_celeba_without_its_list_names_the_file_and_where_to_get_it(tmp_path):
    celeba(tmp_path)
    (tmp_path / "list_eval_partition.txt").unlink()
    with pytest.raises(UserError, match=r"list_eval_partition.txt: is absent; .*https://mmlab"):
        source_of(tmp_path)
    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg 0\n000009.jpg 1\n")
    with pytest.raises(UserError, match=r"list_eval_partition.txt:2: 000009.jpg is not among the images"):
        source_of(tmp_path)
    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg train\n")
    with pytest.raises(UserError, match=r"list_eval_partition.txt:1: expected a name and 0, 1 or 2"):
        source_of(tmp_path)


def samples(first, count, suffix="png", **extra):
    pixels = photos(8)
    members = {}
    for number in range(first, first + count):
        members[f"x/{number:04}.{suffix}"] = encoded(pixels[number])
        members[f"x/{number:04}.cls"] = f"{number % 3}\n".encode()
        members[f"x/{number:04}.json"] = b"{}"
    return {**members, **extra}


@pytest.mark.parametrize("named", ["folder", "range", "one"])
def test_webdatasets_shards(tmp_path, named):
    tarred(tmp_path / "data-000.tar", samples(0, 3))
    if named != "one":
        tarred(tmp_path / "data-001.tar", samples(3, 2, "JPEG.png" if named == "" else "png"))
    path = {"folder": tmp_path, "range": tmp_path / "data-{000..001}.tar", "one": tmp_path / "data-000.tar"}[named]
    source = source_of(path)
    n = 3 if named == "one" else 5
    assert facts(source) == ((("all", n),), ("0", "1", "2"), [number % 3 for number in range(n)])
    assert np.array_equal(decoded(source), channels_first(photos(8))[:n])
    assert np.array_equal(decoded(source, 2), channels_first(photos(8))[2:n])
    assert source_of(path, labels="none").labels is None


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.png": b"", "a.jpg": b""}, r"two images have one name, a.png and a.jpg; rename"),
        ({"a.png": b"", "a.cls": b"1", "b.png": b""}, r"no b.cls, and other images have a label"),
        ({"a.png": b"", "a.cls": b"cat"}, r"a.cls is no whole number"),
        ({"a.png": b"", "a.cls": 100 * b"1"}, r"a.cls is no label"),
        ({"a.txt": b""}, "no image in it"),
    ],
)
def test_faulty_shards_of_webdataset_are_named(tmp_path, members, message):
    tarred(tmp_path / "x.tar", members)
    with pytest.raises(UserError, match=message):
        source_of(tmp_path / "x.tar")


def test_a_key_in_two_shards_and_an_absent_shard_are_named(tmp_path):
    tarred(tmp_path / "0.tar", {"a.png": b""})
    tarred(tmp_path / "1.tar", {"a.png": b""})
    with pytest.raises(UserError, match=r"two images have one name, a: in 0.tar and 1.tar"):
        source_of(tmp_path)
    with pytest.raises(UserError, match=r"2.tar: is absent; the range \{0..2\} names 3 files"):
        source_of(tmp_path / "{0..2}.tar")


def test_damaged_archives_are_named(tmp_path):
    for name, content, message in [
        ("x.tar", b"no tar" * 200, "cannot be read as a tar archive"),
        ("x.zip", b"no zip", "cannot be read as a zip archive"),
        ("cifar-10-python.tar.gz", b"no gzip", "cannot be read as a .tar.gz"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: {message}"):
            source_of(tmp_path / name)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_batch": None}, "has no test_batch; get the archive again"),
        ({"batches.meta": None}, "no archive of CIFAR-10"),
        ({"data_batch_2": {"data": np.zeros((3, 7), np.uint8), "labels": [0, 0, 0]}}, "data_batch_2: its `data` are no images"),
        ({"data_batch_2": {"data": np.zeros((3, 3072), np.uint8), "labels": [0, 0]}}, "data_batch_2: its `labels` are no whole"),
        ({"data_batch_2": {"data": np.zeros((1, 3072), np.uint8), "labels": [10]}}, "data_batch_2: labels from 10 to 10"),
        ({"data_batch_2": print}, "data_batch_2: .*is not allowed"),
    ],
)
def test_other_content_than_cifars_is_refused(tmp_path, changed, message):
    files, _, _ = cifar_files()
    for name, value in changed.items():
        del files[name]
        if value is not None:
            files[name] = pickle.dumps(value, 2)
    with pytest.raises(UserError, match=message):
        source_of(tarred(tmp_path / "cifar-10-x.tar.gz", files, "w:gz"))


def test_an_archive_that_unpacks_to_far_more_than_cifar_is_refused(tmp_path):
    path = cifar_archive(tmp_path, per_batch=9)
    for name, message in [("LARGEST_ARCHIVE", "unpacks to more than 20,000 bytes"), ("LARGEST_BATCH", "fewer than 20,000")]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cifar, name, 20_000)
            with pytest.raises(UserError, match=rf"cifar-10-python.tar.gz.*{message}"):
                source_of(path)


def test_what_is_no_set_of_images_is_named(tmp_path):
    (tmp_path / "one.png").write_bytes(encoded(photos(1)[0]))
    for path, labels, message in [
        (tmp_path / "one.png", None, "no set of images; put it into a folder"),
        (tmp_path / "absent", None, "absent: there is nothing"),
        (tmp_path, "absent.txt", "--labels absent.txt: there is no such file"),
        (tmp_path, "folders", "--labels folders: no folder in it names a class"),
    ]:
        with pytest.raises(UserError, match=message):
            source_of(path, labels=labels)
    torch.save({}, tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"no set of images; a source is a folder or a .zip"):
        source_of(tmp_path / "x.pt")


def test_a_name_is_looked_for_in_the_folders_for_data_too(tmp_path):
    (tmp_path / "data").mkdir()
    archive = cifar_archive(tmp_path / "data")
    assert found(archive.name, [tmp_path / "none", tmp_path / "data"], {}) == archive
    looked = r"other.zip: there is no such file or folder; looked for .*other.zip, .*data/other.zip"
    for archives, advice in [
        ({}, "$"),
        ({"other.zip": "http://x/other.zip"}, r"\. Get http://x/other.zip, and put it into .*data$"),
    ]:
        with pytest.raises(UserError, match=looked + advice):
            found("other.zip", [tmp_path / "data"], archives)


def test_the_list_of_a_source_changes_with_its_images_and_labels(tmp_path):
    first, second = (write(tmp_path / name, classes(2)[0]) for name in "ab")
    assert source_of(first).fingerprint == source_of(second).fingerprint
    assert source_of(first).fingerprint != source_of(first, labels="none").fingerprint
    (second / "cat" / "new.png").write_bytes(b"")
    assert source_of(first).fingerprint != source_of(second).fingerprint
