"""Downloads of published files. A download resumes after a broken connection, is checked by hash, and appears complete or not
at all."""

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
"""A connection that delivers no data for this time counts as lost."""

ATTEMPTS = 3
Progress = Callable[[int, int | None], None]
"""Called with the number of bytes so far, and with the size of the file where the server tells it."""


def fetch(file: WeightsFile, progress: Progress = lambda *_: None) -> Path:
    """Return the file's path in the cache. Download the file first if it is absent. Several processes may call this at once.

    When a download breaks off, the bytes received so far stay beside the file as `.part`, and the next call continues from them.
    Raises: UserError, naming file, address, hash and folder, when the file cannot be downloaded or has another hash; UserError,
    naming the address, when the address is not http or https; StorageError.
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
            actual = file_sha256(part)
            if file.sha256 not in (None, actual):
                part.unlink()
                raise cache.absent(file, f"what the address gives has sha256 {actual}, so it was thrown away")
            part.replace(target)
    return target


def _checked(file: WeightsFile, target: Path) -> Path:
    if file.sha256 is not None and (actual := cache.sha256(target)) != file.sha256:
        raise cache.absent(file, f"{target} has sha256 {actual}: remove it, it is another file or damaged")
    return target


def _download(file: WeightsFile, part: Path, progress: Progress) -> None:
    """Receive the whole file in at most ATTEMPTS attempts, each of which continues the one before."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(file.address, part, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the part that is here is not the beginning of the file
                part.unlink(missing_ok=True)
            elif error.code < 500:
                raise cache.absent(file, f"the server says {error.code} {error.reason}") from None
            why = f"the server says {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ValueError) as error:
            why = f"the connection failed: {getattr(error, 'reason', error)}"
        if attempt == ATTEMPTS:
            raise cache.absent(file, why)


def _receive(address: str, part: Path, progress: Progress) -> None:
    """Receive the missing bytes of the file in one connection.

    Raises: the exceptions of `urllib`; ConnectionError when the connection ends early; UserError for another scheme than http(s).
    """
    received = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={received}-"} if received else {})
    if request.type not in ("https", "http"):
        raise UserError(f"{address}: only http and https are fetched")
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        continues = received > 0 and response.status == 206
        if not continues:
            received = 0  # the server starts from the beginning
        length = response.headers.get("Content-Length")
        total = None if length is None else received + int(length)
        with part.open("ab" if continues else "wb") as out:
            while chunk := response.read(CHUNK):
                out.write(chunk)
                received += len(chunk)
                progress(received, total)
    if total is not None and received < total:
        raise ConnectionError(f"{received} of {total} bytes came")
