"""Files of labels in all their forms, and ImageNet's trap: its ground truth has other numbers than people train with."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from harness import UserError
from harness.images.importing.labels import edm_labels, read_labels

NAMES = ["val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000002.JPEG"]


def labels(tmp_path, content, name="labels.txt", names=NAMES):
    (tmp_path / name).write_text(content)
    return read_labels(tmp_path / name).of(names)


@pytest.mark.parametrize(
    "content",
    [
        "n02\nn01\n",
        "ILSVRC2012_val_00000002.JPEG n01\nILSVRC2012_val_00000001.JPEG n02",
        "name,label\nval/ILSVRC2012_val_00000001.JPEG,n02\nval/ILSVRC2012_val_00000002.JPEG,n01",
        "ImageId,PredictionString\nILSVRC2012_val_00000002,n01 1 2 3 4\nILSVRC2012_val_00000001,n02 5 6 7 8 n02 1 2 3 4\n",
        "ILSVRC2012_val_00000001\tn02\nILSVRC2012_val_00000002\tn01\n",
    ],
    ids=["a line each", "blanks", "csv", "kaggle", "tabs"],
)
def test_text_files_of_labels_are_read(tmp_path, content):
    assert labels(tmp_path, content) == ["n02", "n01"]


def test_whole_numbers_are_numbers_and_all_else_is_names(tmp_path):
    assert labels(tmp_path, "65\n970\n") == [65, 970]
    assert labels(tmp_path, "65\nn970\n") == ["65", "n970"]
    assert labels(tmp_path, "a.png,great white shark\n", names=["a.png"]) == ["great white shark"]


def test_an_array_of_labels_is_read(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([3, 1]))
    assert read_labels(tmp_path / "labels.npy").of(NAMES) == [3, 1]
    np.save(tmp_path / "labels.npy", np.array([0.5]))
    with pytest.raises(UserError, match=r"float64 \(1,\); labels are whole numbers"):
        read_labels(tmp_path / "labels.npy")


def test_edms_labels_are_read_and_may_be_null(tmp_path):
    content = json.dumps({"labels": [["00000\\b.png", 6], ["00000/a.png", 0]], "more": 1})
    assert labels(tmp_path, content, "dataset.json", ["00000/a.png", "00000/b.png"]) == [0, 6]
    assert edm_labels(b'{"labels": null}', "x") is None
    with pytest.raises(UserError, match=r"its labels are null"):
        labels(tmp_path, '{"labels": null}', "dataset.json")


@pytest.mark.parametrize("content", ["", "[]", '{"labels": 3}', '{"labels": [["a", 1, 2]]}', '{"labels": [["a", 0.5]]}', "{}"])
def test_a_json_file_of_another_form_is_refused(content):
    with pytest.raises(UserError, match=r"x: (no file of labels|the label 0.5 is no whole number)"):
        edm_labels(content.encode(), "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n", "1 labels for 2 images"),
        ("other.png 1\nval/ILSVRC2012_val_00000001.JPEG 2\n", "no label for val/ILSVRC2012_val_00000002.JPEG"),
        ("a.png 1\nb\n", "'b' is no name and label"),
        ("\n", "no labels in it"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"labels.txt: {message}"):
        labels(tmp_path, content)


def ground_truth(tmp_path, content="490\n1\n"):
    file = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    file.write_text(content)
    return file


def test_imagenets_ground_truth_is_read_with_the_kits_own_numbers(tmp_path):
    # The kit numbers n01440764, the first class by name, 449; the last entry is a group of classes, which has no images.
    synsets = [(1, "n02119789", 0), (490, "n01440764", 0), (1001, "n00001740", 2)]
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")]
    savemat(tmp_path / "meta.mat", {"synsets": np.array(synsets, kind)[:, None]})
    assert read_labels(ground_truth(tmp_path)).of(NAMES) == ["n01440764", "n02119789"]
    with pytest.raises(UserError, match=r"meta.mat has no class 1001"):
        read_labels(ground_truth(tmp_path, "1001\n"))


def test_imagenets_ground_truth_alone_is_refused_since_its_numbers_are_others(tmp_path):
    with pytest.raises(UserError, match=r"development kit .*put the kit's meta.mat beside it \(ILSVRC2012_devkit_t12/data\)"):
        read_labels(ground_truth(tmp_path))
    (tmp_path / "meta.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(UserError, match=r"meta.mat: no meta.mat of ImageNet's development kit"):
        read_labels(ground_truth(tmp_path))
