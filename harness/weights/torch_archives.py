"""Archives of torch.save: whether they are whole, and those that another program has packed anew."""

from __future__ import annotations

import copy
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.weights.pickles.opcodes import RefusedPickle

_PICKLE = "data.pkl"
_BEGINNING = b"PK\x03\x04"
_PACKED_BY_TORCH = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 2**20


@dataclass(frozen=True)
class TorchArchive:
    """The members of an archive that belong to the content of torch.save, by their names in its folder.

    Args:
        archive: the open archive.
        folder: beginning of the members' names; torch writes one folder around all of them.
        members: the members by the rest of their names: `data.pkl`, `data/0`, `version`.
    """

    archive: zipfile.ZipFile
    folder: str
    members: dict[str, zipfile.ZipInfo]

    @classmethod
    def of(cls, archive: zipfile.ZipFile) -> TorchArchive:
        """Find the content in an archive. Raises: RefusedPickle for an archive that holds no pickle, or several."""
        names = {member.filename.replace("\\", "/"): member for member in archive.infolist()}
        found = [name for name in names if name == _PICKLE or name.endswith(f"/{_PICKLE}")]
        if len(found) != 1:
            raise RefusedPickle(f"its archive holds {len(found)} pickles, and torch.save writes one")
        folder = found[0].removesuffix(_PICKLE)
        return cls(
            archive, folder, {name.removeprefix(folder): member for name, member in names.items() if name.startswith(folder)}
        )

    @property
    def is_as_written(self) -> bool:
        """Whether torch's own reader finds its way in the archive: another program may have packed it in another manner."""
        return (
            self.folder.count("/") == 1
            and not self.folder.startswith(".")
            and "version" in self.members
            and all("\\" not in member.filename for member in self.members.values())
            and all(member.compress_type in _PACKED_BY_TORCH for member in self.members.values())
        )

    @property
    def is_mappable(self) -> bool:
        """Whether the numbers lie in the archive as they are. Mapped into memory, packed ones would be read as other numbers."""
        return all(member.compress_type == zipfile.ZIP_STORED for member in self.members.values())

    def read(self, name: str) -> bytes:
        """Return the content of a member. Raises: an exception of zipfile or of its compression when it is damaged."""
        with self._open(name) as file:
            return file.read()

    def check(self) -> None:
        """Read all members and compare them with their checksums. Raises: RefusedPickle when one is damaged."""
        for name in self.members:
            try:
                with self._open(name) as file:
                    while file.read(_CHUNK):
                        pass
            except Exception as error:
                raise RefusedPickle(f"{name} in its archive is damaged: {error}") from None

    def repacked(self) -> io.BytesIO:
        """Return the archive in memory as torch packs it."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name in self.members:
                if not name.endswith("/"):
                    archive.writestr(f"archive/{name}", self.read(name))
            if "version" not in self.members:
                archive.writestr("archive/version", b"3\n")
        packed.seek(0)
        return packed

    def _open(self, name: str) -> IO[bytes]:
        member = copy.copy(self.members[name])
        if member.CRC == 0:
            del member.CRC  # torch writes 0 where it is told to compute no checksums; without one, zipfile compares none
        return self.archive.open(member)


def check_whole(path: Path) -> None:
    """Raises: RefusedPickle for a file that begins like an archive and does not end like one; OSError."""
    if begins_as_archive(path) and not zipfile.is_zipfile(path):
        raise RefusedPickle("it begins like an archive of torch.save, and its end is missing: copy or fetch the file again")


def begins_as_archive(path: Path) -> bool:
    """Return whether torch takes a file for an archive: torch looks at the first bytes alone. Raises: OSError."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING
