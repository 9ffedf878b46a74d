"""Sets of images in the forms in which people have them, made small: folders, zips, CIFAR-10's archives, CelebA, webdataset."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image

CIFAR_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CIFAR_BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def photos(n: int, height: int = 8, width: int = 8, channels: int = 3, seed: int = 0):
    """Return n images of noise, (n, height, width, channels), or (n, height, width) where they are grey; uint8."""
    shape = (n, height, width, channels) if channels > 1 else (n, height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels, form: str = "PNG", mode: str | None = None) -> bytes:
    """Return an image file. mode: Pillow's name of the colours that it is converted to."""
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(file, form)
    return file.getvalue()


def write(folder, contents):
    """Write files by their names, with the folders above them. Returns: the folder."""
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def zipped(path, contents):
    """Write a zip archive of files by their names. Returns: its path."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def tarred(path, contents, mode: str = "w"):
    """Write a tar archive of files by their names. mode: `w:gz` for a packed one. Returns: its path."""
    packed = io.BytesIO()
    with tarfile.TarFile(fileobj=packed, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path.write_bytes(gzip.compress(packed.getvalue()) if mode == "w:gz" else packed.getvalue())
    return path


def classes(n: int = 4, names=("cat", "dog"), **options):
    """Return the files of n images in each class, by name, and their pixels (2n, C, H, W) in the order of the names."""
    pixels = photos(n * len(names), **options)
    files = {f"{names[i // n]}/{i:03}.png": encoded(image) for i, image in enumerate(pixels)}
    return files, channels_first(pixels)


def channels_first(pixels):
    """Return (n, H, W, 3) or (n, H, W) as (n, C, H, W)."""
    return pixels[:, None] if pixels.ndim == 3 else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def edm_zip(path, pixels, labels=None, **fields):
    """Write an archive as EDM's dataset_tool.py does: numbered names, and dataset.json with the labels."""
    names = [f"{i // 1000:05}/img{i:08}.png" for i in range(len(pixels))]
    contents = {name: encoded(image) for name, image in zip(names, pixels, strict=True)}
    table = None if labels is None else [[name, int(label)] for name, label in zip(names, labels, strict=True)]
    return zipped(path, {**contents, "dataset.json": json.dumps({"labels": table, **fields})})


def python2_pickle(value) -> bytes:
    """Return a pickle as Python 2 would write it: text and bytes as its strings, as in CIFAR-10's published files."""
    file = io.BytesIO()
    pickler = vars(pickle)["_Pickler"](file, 2)
    pickler.dispatch = {**pickler.dispatch, bytes: _save_string, str: _save_string}
    pickler.dump(value)
    return file.getvalue()


def _save_string(pickler, value):
    content = value.encode("latin1") if isinstance(value, str) else value
    head = b"U" + bytes([len(content)]) if len(content) < 256 else b"T" + struct.pack("<i", len(content))
    pickler.write(head + content)
    pickler.memoize(value)


def cifar_files(per_batch: int = 3, *, dump=python2_pickle):
    """Return the files of the version for Python, and its pixels (6 * per_batch, 3, 32, 32) and labels, test batch last."""
    pixels = channels_first(photos(6 * per_batch, 32, 32))
    labels = np.arange(6 * per_batch) % 10
    files = {}
    for number, name in enumerate(CIFAR_BATCHES):
        rows = slice(number * per_batch, (number + 1) * per_batch)
        files[name] = dump({"data": pixels[rows].reshape(per_batch, -1), "labels": labels[rows].tolist(), "batch_label": name})
    files["batches.meta"] = dump({"label_names": CIFAR_NAMES, "num_cases_per_batch": per_batch})
    return files, pixels, labels


def cifar_binary_files(per_batch: int = 3):
    """Return the files of the binary version, and its pixels and labels, like `cifar_files`."""
    _, pixels, labels = cifar_files(per_batch)
    rows = np.concatenate([labels.astype(np.uint8)[:, None], pixels.reshape(len(pixels), -1)], axis=1)
    files = {
        f"{name}.bin": rows[number * per_batch : (number + 1) * per_batch].tobytes() for number, name in enumerate(CIFAR_BATCHES)
    }
    return {**files, "batches.meta.txt": ("\n".join(CIFAR_NAMES) + "\n\n").encode()}, pixels, labels


def cifar_archive(folder, per_batch: int = 3):
    """Write cifar-10-python.tar.gz, its members in the order of the published one. Returns: its path."""
    files, _, _ = cifar_files(per_batch)
    order = ["data_batch_4", "test_batch", "data_batch_3", "batches.meta", "data_batch_2", "data_batch_5", "data_batch_1"]
    return tarred(folder / "cifar-10-python.tar.gz", {f"cifar-10-batches-py/{name}": files[name] for name in order}, "w:gz")


def celeba(folder, parts=(0, 0, 1, 2), *, is_unpacked: bool = False):
    """Write CelebA's archive and its list of parts into a folder. Returns: the pixels (n, 218, 178, 3)."""
    pixels = photos(len(parts), 218, 178)
    files = {f"img_align_celeba/{i + 1:06}.jpg": encoded(image, "JPEG") for i, image in enumerate(pixels)}
    folder.mkdir(parents=True, exist_ok=True)
    if is_unpacked:
        write(folder, files)
    else:
        zipped(folder / "img_align_celeba.zip", files)
    (folder / "list_eval_partition.txt").write_text("".join(f"{i + 1:06}.jpg {part}\n" for i, part in enumerate(parts)))
    return np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in files.values()])
