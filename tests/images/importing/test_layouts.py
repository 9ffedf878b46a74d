"""What names of files say: classes, parts, neither; and what is refused because it could be two things."""

import pytest

from harness import UserError
from harness.images.importing.layouts import layout


def of(*names, has_labels=False):
    return layout(sorted(names), "set", has_labels=has_labels)


def test_folders_are_classes():
    found = of("cat/a.png", "cat/deep/b.png", "dog/a.png")
    assert found.folder_classes == {"all": ["cat", "cat", "dog"]}
    assert found.classes == ["cat", "dog"]


def test_folders_above_all_images_are_no_classes():
    found = of("root/x/cat/a.png", "root/x/dog/a.png")
    assert found.folder_classes == {"all": ["cat", "dog"]}
    assert of("root/a.png", "root/b.png").folder_classes == {"all": None}
    assert of("a.png", "b.png").folder_classes == {"all": None}


def test_classes_that_are_numbers_are_in_their_order():
    assert of("10/a.png", "2/a.png", "0/a.png").classes == ["0", "2", "10"]


def test_a_folder_for_training_and_others_are_parts_in_a_fixed_order():
    found = of("x/test/cat/c.png", "x/train/cat/a.png", "x/train/dog/a.png", "x/val/dog/b.png")
    assert found.parts == {
        "train": ["x/train/cat/a.png", "x/train/dog/a.png"],
        "validation": ["x/val/dog/b.png"],
        "test": ["x/test/cat/c.png"],
    }
    assert found.folder_classes == {"train": ["cat", "dog"], "validation": ["dog"], "test": ["cat"]}
    assert found.names[:2] == ["x/train/cat/a.png", "x/train/dog/a.png"]


@pytest.mark.parametrize("names", [("test/a.png", "val/b.png"), ("train/a.png", "other/b.png"), ("train/a.png", "b.png")])
def test_other_folders_are_no_parts(names):
    assert list(of(*names, has_labels=True).parts) == ["all"]


def test_the_numbered_folders_of_edm_are_no_classes():
    assert of("00000/img00000000.png", "00001/img00001000.png").folder_classes == {"all": None}


def test_labels_from_elsewhere_leave_folders_without_a_meaning():
    assert of("cat/a.png", "dog/a.png", "b.png", has_labels=True).folder_classes == {"all": None}


def test_an_image_beside_folders_with_images_is_named_with_advice():
    with pytest.raises(UserError, match=r"set: loose.png lies beside a folder with images \(cat/a.png\).*--labels none"):
        of("cat/a.png", "dog/b.png", "loose.png")


def test_two_images_of_one_name_are_named():
    with pytest.raises(UserError, match=r"two images have one name, cat/a.jpg and cat/a.png; remove one"):
        of("cat/a.jpg", "cat/a.png", "dog/a.png")
