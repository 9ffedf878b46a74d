"""Folders and zips of image files as sources: what they are called, and what is remarked on them."""

import zipfile

import pytest
from PIL import Image

from harness import UserError
from harness.images.image_files import archive, folder
from harness.measure.folder_sources import image_files_source


def test_a_folder_is_called_by_its_path_and_format(write_folder, random_images):
    path = write_folder("samples", random_images(0))
    source = image_files_source(folder(path), "folder")
    assert (source.name, source.kind, source.n) == (str(path), "folder of PNG images", 20)
    assert source.images.shape == (1, 8, 8)
    assert (source.notes, source.options_used, source.statistics) == ((), frozenset(), None)


def test_a_zip_of_the_folder_has_the_same_identity(write_folder, random_images, tmp_path):
    path = write_folder("samples", random_images(0))
    with zipfile.ZipFile(tmp_path / "samples.zip", "w") as file:
        for image in path.iterdir():
            file.write(image, f"inside/{image.name}")
    zipped = image_files_source(archive(tmp_path / "samples.zip"), "zip")
    assert zipped.kind == "zip of PNG images"
    identities = [source.identify(lambda _: None) for source in (zipped, image_files_source(folder(path), "folder"))]
    assert identities[0] == identities[1]
    assert set(identities[0]) == {"pixels"}


def test_other_files_and_links_to_folders_are_remarked(write_folder, random_images):
    path = write_folder("samples", random_images(0))
    other = write_folder("other", random_images(1))
    (path / "log.txt").write_text("")
    (path / "more").symlink_to(other)
    source = image_files_source(folder(path), "folder")
    assert source.notes == (
        f"{path}: 1 other files beside the images are ignored",
        f"{path}: 1 links to folders are not followed, and images behind them not measured",
    )
    assert source.n == 20


def test_properties_that_are_not_applied_are_remarked_once_the_images_were_read(write_folder, random_images):
    path = write_folder("samples", random_images(0))
    turned = Image.Exif()
    turned[0x0112] = 6
    with Image.open(path / "0007.png") as image:
        image.save(path / "0007.png", exif=turned)
    source = image_files_source(folder(path), "folder")
    source.identify(lambda _: None)
    assert list(source.notes_of_images()) == [
        f"{path}: 1 of 20 images has an EXIF orientation, which is not applied (0007.png); what is measured are its pixels as "
        "they are stored"
    ]


def test_a_damaged_first_image_is_told_at_once_and_a_later_one_at_the_look(write_folder, random_images):
    path = write_folder("samples", random_images(0))
    (path / "0007.png").write_bytes(b"no image")
    source = image_files_source(folder(path), "folder")
    with pytest.raises(UserError, match=r"0007\.png: damaged, or no image"):
        source.identify(lambda _: None)
    (path / "0000.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"0000\.png: damaged, or no image"):
        image_files_source(folder(path), "folder")
