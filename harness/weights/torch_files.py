"""Files that torch.save wrote, archives and the old format: inspected, and then read by torch without running code."""

from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import torch

from harness.errors import UserError, first_line
from harness.store.reading import check_regular, open_regular
from harness.weights.pickles.opcodes import RefusedPickle
from harness.weights.pickles.torch_contents import ForbiddenName, inspect_content, inspect_old_file
from harness.weights.torch_archives import TorchArchive, begins_as_archive, check_whole

LARGEST_GROWTH = 4
"""The largest ratio of the unpacked bytes of an archive to its size. torch.save packs nothing, and packed weights grow less."""
_SMALL = 2**20
"""Bytes that any archive may unpack to."""
_PICKLE = "data.pkl"


def load(path: Path) -> object:
    """Return the content of a file, on the CPU: tensors in plain containers. Tensors of an archive stay on disk until used.

    Raises: UserError, naming the file, when it cannot be read, is damaged or cut off, declares more than it has, or holds
    anything but tensors and plain values.
    """
    try:
        check_regular(path)
        check_whole(path)
        source, is_mapped = _inspected(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on protocols and on formats of its own
            return torch.load(source, map_location="cpu", weights_only=True, mmap=is_mapped)
    except ForbiddenName as error:
        raise UserError(f"{path}: refused: {error}; a file of weights holds tensors and plain values only") from None
    except RefusedPickle as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except pickle.UnpicklingError as error:
        # Only one line of torch's message is kept: the rest tells how to load the file and run its code after all.
        lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "Unsupported" in line]
        reason = lines[0].split(" was not an allowed")[0] if lines else "it is damaged, or holds more than tensors"
        raise UserError(f"{path}: refused: {reason}; a file of weights holds tensors and plain values only") from None
    except Exception as error:  # damaged bytes can make torch's reader raise anything
        reason = first_line(str(error)) or "damaged"
        raise UserError(f"{path}: cannot be read: {type(error).__name__}: {reason}") from None


def pickle_inside(path: Path) -> bytes:
    """Return the pickle in an archive that torch.save wrote. Raises: UserError, naming the file, for any other file."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return _checked(archive, path).read(_PICKLE)
    except RefusedPickle as error:
        raise UserError(f"{path}: no file that torch wrote: {error}") from None
    except Exception as error:  # damaged members of the many compressions raise their own
        raise UserError(f"{path}: no file that torch wrote: {error}") from None


def _inspected(path: Path) -> tuple[Path | io.BytesIO, bool]:
    """Inspect a file before torch reads it.

    Returns: what torch is to read, the file or its content as torch packs it, and whether it can be mapped into memory.
    Raises: RefusedPickle; any other.
    """
    if not begins_as_archive(path):  # its end can be an archive's too, and torch does not look there
        with open_regular(path) as file:
            inspect_old_file(file, os.fstat(file.fileno()).st_size)
        return path, False
    with zipfile.ZipFile(path) as archive:
        inside = _checked(archive, path)
        content = inside.read(_PICKLE)
        sizes = {name.removeprefix("data/"): part.file_size for name, part in inside.members.items() if name.startswith("data/")}
        inspect_content(content, sizes)
        inside.check()
        if not inside.is_as_written:
            return inside.repacked(), False
    # The two readers of archives could find two pickles in a file that is made for it.
    if torch._C.PyTorchFileReader(str(path)).get_record(_PICKLE) != content:
        raise RefusedPickle("its archive can be read in two ways")
    return path, inside.is_mappable


def _checked(archive: zipfile.ZipFile, path: Path) -> TorchArchive:
    """Return the content of an archive. Raises: RefusedPickle for an archive that torch.save does not write."""
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > LARGEST_GROWTH * path.stat().st_size + _SMALL:
        raise RefusedPickle(f"it unpacks to {unpacked:,} bytes (a decompression bomb?)")
    names = [member.filename for member in members]
    if len({name.lower() for name in names}) < len(names):  # torch does not tell small letters from large ones
        raise RefusedPickle("its archive holds a name twice")
    return TorchArchive.of(archive)
