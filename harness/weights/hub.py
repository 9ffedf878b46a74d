"""Files on the hub of Hugging Face: found in the hub's own cache, and downloaded by huggingface_hub where it is installed.

The variables of huggingface_hub hold: HF_HOME and HF_HUB_CACHE for the cache, HF_ENDPOINT for a mirror, HF_HUB_OFFLINE, HF_TOKEN.
Without the package, the harness's own downloader fetches such a file by its address.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UserError, one_line
from harness.paths import expanded
from harness.presets import WeightsFile

HOST = "huggingface.co"
INSTALL = "pip install 'finetune-harness[hub]'"
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class HubFile:
    """A file in a repository of the hub, at a revision: a branch, a tag or a commit."""

    repository: str
    revision: str
    path: str


def hub_file(file: WeightsFile) -> HubFile | None:
    """Return where a published file is on the hub, by its address; None for a file elsewhere."""
    address = urlsplit(file.address)
    parts = address.path.strip("/").split("/")
    if address.netloc != HOST or len(parts) < 5 or parts[2] != "resolve":
        return None
    return HubFile("/".join(parts[:2]), parts[3], "/".join(parts[4:]))


def folder() -> Path:
    """Return the hub's cache, which need not be there: the folder that huggingface_hub itself would take."""
    if named := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return expanded(named)
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return expanded(home) / "hub"


def find(file: WeightsFile) -> Path | None:
    """Return the path of a file that is in the hub's cache, whatever program put it there; None where it is not."""
    place = hub_file(file)
    if place is None:
        return None
    repository = folder() / f"models--{place.repository.replace('/', '--')}"
    try:
        revision = (repository / "refs" / place.revision).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        revision = place.revision  # a commit has no reference
    path = repository / "snapshots" / revision / place.path
    return path if path.is_file() else None


def takes(file: WeightsFile) -> bool:
    """Return whether huggingface_hub downloads the file. Raises: UserError for a mirror, where the package is absent."""
    if hub_file(file) is None:
        return False
    if find_spec("huggingface_hub") is not None:
        return True
    if os.environ.get("HF_ENDPOINT"):
        raise UserError(f"{file.name}: HF_ENDPOINT names a mirror of the hub, which needs huggingface_hub: {INSTALL}")
    return False


def is_offline() -> bool:
    """Return whether a variable of the hub's own forbids downloads."""
    return any(os.environ.get(name, "").lower() in ("1", "on", "yes", "true") for name in OFFLINE)


def download(file: WeightsFile) -> Path:
    """Download a file into the hub's cache, or go on with what is there of it. Returns: its path in that cache.

    Raises: UserError with the reason that huggingface_hub gives.
    """
    from huggingface_hub import hf_hub_download

    place = hub_file(file)
    assert place is not None  # `takes` says so
    try:
        return Path(
            hf_hub_download(
                place.repository,
                place.path,
                revision=place.revision,
                cache_dir=folder(),
                endpoint=os.environ.get("HF_ENDPOINT") or None,  # the package reads it once, at its import
            )
        )
    except Exception as error:  # its client raises errors of several libraries
        raise UserError(one_line(str(error)) or type(error).__name__) from error
