"""Fetches published files: resumed where they were cut, checked by hash, and in place whole or not at all."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.store.files import storage
from harness.store.keys import file_sha256
from harness.weights import cache

CHUNK = 2**20
SECONDS = 60.0
"""Without a byte for so long, a connection counts as lost."""

ATTEMPTS = 3
Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and of how many, where the server says so."""


def fetch(file: WeightsFile, progress: Progress = lambda *_: None) -> Path:
    """The file in the cache, downloaded unless it is there. Several processes may ask at once.

    What a broken connection has left stays beside it as `.part`, and the next call goes on from there.
    Raises: UserError naming file, address, hash and folder, when it cannot be had or has another hash.
    """
    target = cache.path(file)
    if target.exists():
        return _checked(file, target)
    if cache.is_offline():
        raise cache.absent(file, "not here, and HARNESS_OFFLINE forbids downloads")
    if not file.address:
        raise cache.absent(file, "not here, and no address of it is known")
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.exists():
                return _checked(file, target)
            part = target.with_name(f"{target.name}.part")
            _download(file, part, progress)
            found = file_sha256(part)
            if file.sha256 not in (None, found):
                part.unlink()
                raise cache.absent(file, f"what the address gives has sha256 {found}, so it was thrown away")
            part.replace(target)
    return target


def _checked(file: WeightsFile, target: Path) -> Path:
    if file.sha256 is not None and (found := cache.sha256(target)) != file.sha256:
        raise cache.absent(file, f"{target} has sha256 {found}: remove it, it is another file or damaged")
    return target


def _download(file: WeightsFile, part: Path, progress: Progress) -> None:
    """Bytes to the end, in a few attempts that each go on where the last one broke off."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(file.address, part, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # what is here is no beginning of what is there
                part.unlink(missing_ok=True)
            elif error.code < 500:
                raise cache.absent(file, f"the server says {error.code} {error.reason}") from None
            why = f"the server says {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ValueError) as error:
            why = f"the connection failed: {getattr(error, 'reason', error)}"
        if attempt == ATTEMPTS:
            raise cache.absent(file, why)


def _receive(address: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    if request.type not in ("https", "http"):
        raise UserError(f"{address}: only http and https are fetched")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        goes_on = have > 0 and answer.status == 206
        if not goes_on:
            have = 0  # the server starts from the beginning
        length = answer.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with part.open("ab" if goes_on else "wb") as out:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                have += len(chunk)
                progress(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"{have} of {total} bytes came")
