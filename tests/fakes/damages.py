"""Single changes to the files of a finished board, as a disk, a stray editor or a wrong copy makes them; all of them seeded."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[Path, random.Random], bool]
"""Change a file. Returns: False where there is nothing to change in this way."""


def flip(path: Path, chance: random.Random) -> bool:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    if not content:
        return False
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return True


def cut(path: Path, chance: random.Random) -> bool:
    """Lose the end."""
    content = path.read_bytes()
    if len(content) < 2:
        return False
    path.write_bytes(content[: chance.randrange(1, len(content))])
    return True


def empty(path: Path, chance: random.Random) -> bool:
    """Lose everything but the name."""
    path.write_bytes(b"")
    return True


def remove(path: Path, chance: random.Random) -> bool:
    path.unlink()
    return True


def make_folder(path: Path, chance: random.Random) -> bool:
    """Put a folder where the file was."""
    path.unlink()
    path.mkdir()
    return True


def swap(path: Path, chance: random.Random) -> bool:
    """Exchange the file with another of its kind."""
    others = [other for other in sorted(path.parent.glob(f"*{path.suffix}")) if other != path]
    others = others or [other for other in sorted(path.parents[1].glob(f"*/{path.name}")) if other != path]
    if not others:
        return False
    other = chance.choice(others)
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)
    return mine != theirs


def swap_folder(path: Path, chance: random.Random) -> bool:
    """Exchange the folder of the file with another of its kind."""
    others = [other for other in sorted(path.parents[1].iterdir()) if other != path.parent and (other / path.name).exists()]
    if not others or path.parent.name in ("tiny", "leases", "plots"):
        return False
    other, aside = chance.choice(others), path.parent.with_name("aside")
    path.parent.rename(aside)
    other.rename(path.parent)
    aside.rename(other)
    return True


def edit_number(path: Path, chance: random.Random) -> bool:
    """Change a number of a JSON file; what comes out is valid JSON of the same layout."""
    return _edit(path, chance, lambda value: isinstance(value, int | float) and not isinstance(value, bool))


def edit_text(path: Path, chance: random.Random) -> bool:
    """Change a text of a JSON file."""
    return _edit(path, chance, lambda value: isinstance(value, str))


def drop_key(path: Path, chance: random.Random) -> bool:
    """Take a key out of a JSON file."""
    content = _json(path)
    mappings = [part for part in _parts(content) if isinstance(part, dict) and part]
    if not mappings:
        return False
    chosen = chance.choice(mappings)
    del chosen[chance.choice(sorted(chosen))]
    _write(path, content)
    return True


CHANGES: tuple[Change, ...] = (flip, cut, empty, remove, make_folder, swap, swap_folder, edit_number, edit_text, drop_key)


@dataclass(frozen=True)
class Damage:
    """One change to one file."""

    file: Path
    change: Change
    seed: int

    def apply(self, root: Path) -> bool:
        """Carry the change out in a copy. Returns: False where there is nothing to change in this way."""
        path = root / self.file
        return path.is_file() and self.change(path, random.Random(self.seed))

    def __str__(self) -> str:
        return f"{self.change.__name__} {self.file} ({self.seed})"


def damages(root: Path, seed: int) -> list[Damage]:
    """Return every change to every file, in a random order."""
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    found = [Damage(file, change, seed + index) for index, file in enumerate(files) for change in CHANGES]
    random.Random(seed).shuffle(found)
    return found


def copy(source: Path, target: Path) -> Path:
    """Copy a runs folder to a place where none is, or where an earlier copy is."""
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(source, target)


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes()) if path.suffix == ".json" else None
    except ValueError:
        return None


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _parts(content: object) -> Iterator[object]:
    yield content
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _parts(part)


def _edit(path: Path, chance: random.Random, is_wanted: Callable[[object], bool]) -> bool:
    content = _json(path)
    places = [
        (part, key)
        for part in _parts(content)
        if isinstance(part, dict | list)
        for key in (part if isinstance(part, dict) else range(len(part)))
        if is_wanted(part[key])
    ]
    if not places:
        return False
    part, key = chance.choice(places)
    part[key] = _other(part[key], chance)
    _write(path, content)
    return True


def _other(value: object, chance: random.Random) -> object:
    if isinstance(value, str):
        place = chance.randrange(len(value) + 1)
        return value[:place] + chance.choice("0123456789abcdef") + value[place + 1 :]
    assert isinstance(value, int | float)
    return chance.choice([value + 1, value * 10, -value - 1, value / 10 + 0.01])
