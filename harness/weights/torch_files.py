"""Files that torch.save wrote, archives and the old format: inspected, and then read by torch without running code."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import torch

from harness.errors import UserError
from harness.store.reading import check_regular, open_regular
from harness.weights.pickles.opcodes import RefusedPickle
from harness.weights.pickles.torch_contents import ForbiddenName, inspect_content, inspect_old_file

LARGEST_GROWTH = 4
"""The largest ratio of the unpacked bytes of an archive to its size. torch.save packs nothing, and packed weights grow less."""
_SMALL = 2**20
"""Bytes that any archive may unpack to."""
_PICKLE = "/data.pkl"


def load(path: Path) -> object:
    """Return the content of a file, on the CPU: tensors in plain containers. Tensors of an archive stay on disk until used.

    Raises: UserError, naming the file, when it cannot be read, is damaged, declares more than it has, or holds anything but
    tensors and plain values.
    """
    try:
        check_regular(path)
        is_mapped = _inspect(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on protocols and on formats of its own
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
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
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise UserError(f"{path}: cannot be read: {type(error).__name__}: {reason}") from None


def pickle_inside(path: Path) -> bytes:
    """Return the pickle in an archive that torch.save wrote. Raises: UserError, naming the file, for any other file."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return archive.read(_pickle_name(archive, path))
    except RefusedPickle as error:
        raise UserError(f"{path}: no file that torch wrote: {error}") from None
    except Exception as error:  # damaged members of the many compressions raise their own
        raise UserError(f"{path}: no file that torch wrote: {error}") from None


def _inspect(path: Path) -> bool:
    """Inspect a file before torch reads it. Returns: whether it can be mapped into memory. Raises: RefusedPickle; any other."""
    if not zipfile.is_zipfile(path):
        with open_regular(path) as file:
            inspect_old_file(file, os.fstat(file.fileno()).st_size)
        return False
    with zipfile.ZipFile(path) as archive:
        name = _pickle_name(archive, path)
        folder = name.removesuffix(_PICKLE) + "/data/"
        members = archive.infolist()
        content = archive.read(name)
    sizes = {member.filename.removeprefix(folder): member.file_size for member in members if member.filename.startswith(folder)}
    inspect_content(content, sizes)
    # The two readers of archives could find two pickles in a file that is made for it.
    if torch._C.PyTorchFileReader(str(path)).get_record("data.pkl") != content:
        raise RefusedPickle("its archive can be read in two ways")
    return all(member.compress_type == zipfile.ZIP_STORED for member in members)


def _pickle_name(archive: zipfile.ZipFile, path: Path) -> str:
    """Return the name of the only pickle in an archive. Raises: RefusedPickle for an archive that torch.save does not write."""
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > LARGEST_GROWTH * path.stat().st_size + _SMALL:
        raise RefusedPickle(f"it unpacks to {unpacked:,} bytes (a decompression bomb?)")
    names = [member.filename for member in members]
    if len({name.lower() for name in names}) < len(names):  # torch does not tell small letters from large ones
        raise RefusedPickle("its archive holds a name twice")
    found = [name for name in names if name.endswith(_PICKLE)]
    if len(found) != 1:
        raise RefusedPickle(f"its archive holds {len(found)} pickles, and torch.save writes one")
    return found[0]
