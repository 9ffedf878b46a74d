"""`harness import`: images of any form as a store, in one command that can be stopped."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from image_archives import cifar_archive, classes, encoded, photos, write

from harness.components import Dataset
from harness.images.stores.reading import open_store
from harness.plugins import Registry, registry


@pytest.fixture
def photos_folder(folder):
    """Eight images in two classes, below the working directory."""
    write(folder.parents[1] / "photos", classes(4, height=20, width=24)[0])
    return "photos"


def test_pictures_become_a_store(shell, photos_folder):
    done = shell("import", photos_folder, "store", "--size", "16", "--resize", "center-crop")
    assert (done.returncode, done.stdout) == (0, "store\n"), done.stderr
    first, last = done.stderr.splitlines()
    assert first == "photos: images in folders of classes: 8 images; 2 classes"
    store = open_store(shell.folder.parents[1] / "store")
    fingerprint = store.index.fingerprint
    assert last == f"store: written: all 8; in colour, 16x16; 2 classes; fingerprint {fingerprint}"
    again = shell("import", photos_folder, "store", "--size", "16", "--resize", "center-crop")
    assert again.stderr.splitlines()[1].startswith("store: is there already, and whole: all 8; ")
    assert store.index.source["name"] == "photos"


def test_a_published_archive_is_found_in_the_folder_for_data(shell, folder, monkeypatch, tmp_path):
    (tmp_path / "my-data").mkdir()
    cifar_archive(tmp_path / "my-data")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "my-data"))
    done = shell("import", "cifar-10-python.tar.gz", "store")
    assert done.returncode == 0, done.stderr
    assert "CIFAR-10's published archive: train 15, test 3; 10 classes" in done.stderr
    assert "store: written: train 15, test 3; in colour, 32x32; 10 classes" in done.stderr


def test_a_published_archive_that_is_absent_is_named_with_its_address(shell, monkeypatch, tmp_path):
    component = replace(registry().get(Dataset, "digits", where="test"), archives={"digits.tar": "http://x/digits.tar"})
    monkeypatch.setattr(Registry, "get", lambda *_, **__: component)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "my-data"))
    done = shell("import", "digits.tar", "store")
    assert done.returncode == 2
    assert f"Get http://x/digits.tar, and put it into {tmp_path / 'my-data'}\n" in done.stderr


def test_damaged_images_are_a_line_each_and_can_be_left_out(shell, photos_folder, folder):
    root = folder.parents[1]
    for name in ("cat/000.png", "dog/005.png"):
        (root / "photos" / name).write_bytes(b"damaged")
    done = shell("import", photos_folder, "store")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line[:30] for line in lines[:2]] == ["error: photos/cat/000.png: dam", "error: photos/dog/005.png: dam"]
    assert lines[2:] == ["error: 2 damaged images: mend them and run the same command again, or add --skip-damaged"]
    done = shell("import", photos_folder, "store", "--skip-damaged")
    assert done.returncode == 0, done.stderr
    assert [line.split(": ")[1] for line in done.stderr.splitlines() if line.startswith("left out")] == [
        "cat/000.png",
        "dog/005.png",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing", "store"], "nothing: there is no such file or folder; looked for "),
        (["photos", "store", "--size", "16"], "--size 16: say by which rule with --resize"),
        (["photos", "store", "--resize", "crop"], "--resize crop: there is no such rule"),
        (["photos", "store", "--channels", "2"], "--channels 2: images are grey"),
        (["photos", "photos"], "photos: is a folder with other files"),
    ],
)
def test_wrong_input_is_one_line(shell, photos_folder, words, message):
    done = shell("import", *words)
    assert done.returncode == 2
    assert f"error: {message}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_import_goes_on_with_the_same_command(tmp_path, number):
    write(tmp_path / "set", {f"{i:04}.png": encoded(image) for i, image in enumerate(photos(60))})
    code = (
        "import harness.images.importing.run as run, time, harness.cli\n"
        "write = run.write_shard\n"
        "run.Request.__init__.__defaults__ = (False, 10 * 3 * 8 * 8, 1)\n"
        "def slow(*args):\n"
        "    time.sleep(0.2)\n"
        "    return write(*args)\n"
        "run.write_shard = slow\n"
        "harness.cli.main()\n"
    )
    command = [sys.executable, "-c", code, "import", "set", "store"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "store" / "images-00002.npy").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGKILL)
    if number == signal.SIGINT:
        assert "interrupted; run the same command again to go on" in errors
    kept = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "store").glob("images-0000[01].npy")}
    assert len(kept) == 2
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {name: (tmp_path / "store" / name).stat().st_mtime_ns for name in kept} == kept
    store = open_store(tmp_path / "store")
    assert np.array_equal(store.read(np.arange(60)), np.ascontiguousarray(photos(60).transpose(0, 3, 1, 2)))
    store.verify()
