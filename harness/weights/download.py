"""Downloads of published files. A download resumes after a broken connection, is checked by hash, and appears complete or not
at all."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.store.files import storage
from harness.store.keys import file_sha256
from harness.store.lease import Lost, lease
from harness.weights import cache, found_hashes, hub
from harness.weights.part_file import PartFile, Version

CHUNK = 2**20
SECONDS = 60.0
"""A connection that delivers no data for this time counts as lost."""

LOST_SECONDS = 1.0
"""Time before a process that has lost a download to another one waits for its end."""
ATTEMPTS = 3
PAGES = ("text/html", "application/xhtml+xml")
"""Types of content that are web pages. Weights never have them."""
Progress = Callable[[int, int | None], None]
"""Called with the number of bytes so far, and with the size of the file where the server tells it."""


def fetch(file: WeightsFile, progress: Progress = lambda *_: None) -> Path:
    """Return the file's path. Download the file first if it is absent. Several processes may call this at once, on several hosts
    that share the cache: one of them downloads, and the others wait.

    A file on the hub goes into the hub's cache, by huggingface_hub where that is installed. Where nobody has published the hash
    of a file, that of the first download is written down, and later ones are compared with it: `harness.weights.found_hashes`.

    When a download breaks off, the bytes received so far stay beside the file as `.part`. The next call continues from them if
    the server still has the same version of the file, by its ETag or the time of its last change; otherwise it starts anew.
    Raises: UserError, naming file, address, hash and folder, when the file cannot be downloaded, has another hash, or is a web
    page; UserError, naming the address, when the address is not http or https; StorageError; Interrupted.
    """
    while True:
        try:
            return _fetched(file, progress)
        except Lost:  # another process has taken the download over, because this one was silent for long
            time.sleep(LOST_SECONDS)


def _fetched(file: WeightsFile, progress: Progress) -> Path:
    target = cache.path(file)
    if not target.exists():
        if cache.is_offline():
            raise cache.absent(file, "not here, and HARNESS_OFFLINE forbids downloads")
        if not file.address:
            raise cache.absent(file, "not here, and no address of it is known")
        cache.check_known()
        target = _from_hub(file) if hub.takes(file) else _from_address(file, target, progress)
    elif file.sha256 is None and _is_page(target):  # saved by a browser; its hash would be taken for that of the file
        raise cache.absent(file, f"{target} is a web page: remove it")
    found_hashes.check(file, target)
    found_hashes.keep(file, target)
    return target


def _from_hub(file: WeightsFile) -> Path:
    """Download a file into the hub's cache. Raises: UserError where it cannot be had."""
    if hub.is_offline():
        raise cache.absent(file, "not here, and HF_HUB_OFFLINE forbids downloads")
    try:
        return hub.download(file)
    except UserError as error:
        raise cache.absent(file, f"the hub does not give it: {error}") from None


def _from_address(file: WeightsFile, target: Path, progress: Progress) -> Path:
    """Download a file to `target`. Raises: UserError and StorageError, like `fetch`."""
    noted = found_hashes.found(file)
    expected = file.sha256 or (None if noted is None else noted.sha256)
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with lease(cache.lease_path(file), wait=True):
            if target.exists():
                return target
            part = PartFile(target.with_name(f"{target.name}.part"))
            _download(file, part, progress)
            actual = file_sha256(part.path)
            if actual != expected and (expected is not None or _is_page(part.path)):
                what = "is a web page of" if _is_page(part.path) else "has"
                part.remove()
                earlier = "" if file.sha256 or noted is None else f"; the first download, on {noted.when}, had {noted.sha256}"
                raise cache.absent(file, f"what the address gives {what} sha256 {actual}, so it was thrown away{earlier}")
            part.become(target)
    return target


def _download(file: WeightsFile, part: PartFile, progress: Progress) -> None:
    """Receive the whole file in at most ATTEMPTS attempts, each of which continues the one before."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(file, part, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the part that is here is not the beginning of the file
                part.remove()
            elif error.code < 500:
                raise cache.absent(file, f"the server says {error.code} {error.reason}") from None
            why = f"the server says {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ValueError) as error:
            why = f"the connection failed: {getattr(error, 'reason', error)}"
        if attempt == ATTEMPTS:
            raise cache.absent(file, why)


def _receive(file: WeightsFile, part: PartFile, progress: Progress) -> None:
    """Receive the missing bytes of the file in one connection.

    Raises: the exceptions of `urllib`; ConnectionError when the connection ends early; UserError for another scheme than http(s),
    and for a web page in the place of a file without a pinned hash.
    """
    begun = part.version()
    if not _can_continue(file, begun):
        part.remove()
    request = _request(file.address, part.received, begun)
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        is_rest = response.status == 206
        version = Version.of_response(file.address, response.headers, first=part.received if is_rest else 0)
        if file.sha256 is None and response.headers.get_content_type() in PAGES:
            raise cache.absent(file, f"the address gives a web page ({response.headers.get_content_type()}) and no file")
        if is_rest and not _continues(response.headers, version, begun, part.received):
            part.remove()
            raise ConnectionError("the file changed at its address while it came")
        if not is_rest:
            part.begin(version)
        _append(response, part, version.length, progress)


def _can_continue(file: WeightsFile, begun: Version | None) -> bool:
    """Whether the part that is here may be continued: a pinned hash shows a wrong whole, and nothing else does."""
    if begun is None or not begun.condition:
        return file.sha256 is not None
    return begun.address == file.address


def _request(address: str, received: int, begun: Version | None) -> urllib.request.Request:
    headers = {"Range": f"bytes={received}-"} if received else {}
    if received and begun is not None and begun.condition:
        headers["If-Range"] = begun.condition
    request = urllib.request.Request(address, headers=headers)
    if request.type not in ("https", "http"):
        raise UserError(f"{address}: only http and https are fetched")
    return request


def _continues(headers: Mapping[str, str], version: Version, begun: Version | None, received: int) -> bool:
    """Whether a partial response is the rest of the part that is here: some servers do not look at If-Range."""
    ranged = headers.get("Content-Range")
    if ranged is not None and not ranged.startswith(f"bytes {received}-"):
        return False
    if begun is None:
        return True
    before, now = (begun.etag, begun.modified, begun.length), (version.etag, version.modified, version.length)
    return all(old == new for old, new in zip(before, now, strict=True) if old and new)


def _append(response: IO[bytes], part: PartFile, total: int | None, progress: Progress) -> None:
    """Append what comes to the part. Raises: ConnectionError when the connection ends before the file does."""
    received = part.received
    with part.path.open("ab") as out:
        while chunk := response.read(CHUNK):
            out.write(chunk)
            received += len(chunk)
            progress(received, total)
    if part.received != received:  # a process that was given up has woken up, and written on too
        part.remove()
        raise ConnectionError("another process wrote into the file while it came")
    if total is not None and received < total:
        raise ConnectionError(f"{received} of {total} bytes came")


def _is_page(path: Path) -> bool:
    """Whether a file begins as a web page does: what servers send for addresses that moved, or that want a login."""
    with path.open("rb") as file:
        beginning = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return beginning.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
